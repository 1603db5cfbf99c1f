"use strict";
/* Small pictures: the level as bars, the day as a line, the difference from usual as a bar. */
nexthour.pictures = (() => {
  const { h, svg } = nexthour;
  const SCALE = 62;
  const HEIGHT = 36;

  /** A level from 1 to 5 as bars: the count of filled ones says it without colour. */
  function levelIcon(level) {
    const bars = [1, 2, 3, 4, 5].map((step) =>
      svg("rect", {
        x: (step - 1) * 5, y: 15 - step * 3, width: 3.6, height: step * 3, rx: 0.8, class: level >= step ? "on" : "off",
      }),
    );
    return svg("svg", { class: `bars level-${level ?? 0}`, viewBox: "0 0 24 15", "aria-hidden": "true" }, bars);
  }

  const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

  /** Runs of consecutive values that are known, as points. */
  function runs(values, first = 0) {
    const found = [];
    let run = [];
    values.forEach((value, i) => {
      if (value === null) [run.length && found.push(run), (run = [])];
      else run.push([first + i + 0.5, HEIGHT - 1 - (value / SCALE) * (HEIGHT - 3)]);
    });
    if (run.length) found.push(run);
    return found;
  }

  const line = (values, name, first) =>
    svg("path", { class: name, d: runs(values, first).map((run) => path(run.length > 1 ? run : [run[0], run[0]])).join("") });

  /** The day of a station: typical, observed, and the next hour with its range. */
  function spark(packed, day) {
    const [usual, observed, forecast, low, high] = packed.map((text) => nexthour.data.unpack(text, SCALE, 1));
    const first = day.next_hour[0];
    const ground = runs(usual).map((run) => `${path([[run[0][0], HEIGHT], ...run, [run.at(-1)[0], HEIGHT]])}Z`).join("");
    const upper = runs(high, first).flat();
    const lower = runs(low, first).flat().reverse();
    return svg(
      "svg",
      { class: "spark", viewBox: `0 0 ${day.bins} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("path", { class: "usual", d: ground }),
      upper.length > 0 && svg("path", { class: "range", d: `${path([...upper, ...lower])}Z` }),
      line(observed, "observed"),
      line(forecast, "forecast", first),
    );
  }

  /** How far a number lies from usual: a bar to the right or left of the middle, full at double or nothing. */
  function differenceBar(share) {
    const width = Math.min(Math.abs(share ?? 0), 1) * 50;
    const bar = h("span", { class: share < 0 ? "less" : "more" });
    bar.style.width = `${width}%`;
    return h("span", { class: "difference-bar", "aria-hidden": "true" }, bar);
  }

  /** What the lines of the pictures mean. */
  function legend(names) {
    const items = names.map((name) => h("li", {}, h("span", { class: `key ${name}`, "aria-hidden": "true" }), nexthour.format.t(`legend_${name}`)));
    return h("ul", { class: "legend" }, items);
  }

  return { levelIcon, spark, differenceBar, legend };
})();
