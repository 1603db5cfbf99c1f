"use strict";
/* The charts of a station, drawn by uPlot; beside each its numbers as a table. */
nexthour.charts = (() => {
  const { h, format } = nexthour;
  const drawn = new Set();

  /** Colours of the style sheet as the canvas needs them. */
  function colours() {
    const probe = h("span", { class: "unseen" });
    document.body.append(probe);
    const read = (name) => {
      probe.style.color = `var(--${name})`;
      return getComputedStyle(probe).color;
    };
    const found = Object.fromEntries(
      ["ink", "muted", "rule", "usual", "usual-ground", "observed", "forecast", "range", "range-rest"].map((name) => [name, read(name)]),
    );
    probe.remove();
    return found;
  }

  /** Places for the labels of a day: every third hour of the wall clock, also on the days when clocks change. */
  function hourMarks(seconds, every) {
    const first = Math.ceil(seconds[0] / 3600) * 3600;
    const marks = [];
    for (let at = first; at <= seconds.at(-1); at += 3600) if (format.hour(at * 1000) % every === 0) marks.push(at);
    return marks;
  }

  /** A chart in a box that follows its width.
   *  `columns`: seconds, then one array per series; `series`, `bands`: of uPlot; `say(i)`: texts of a place. */
  function draw(box, { columns, series, bands = [], say, height = 250, now = null }) {
    const colour = colours();
    const readout = h("p", { class: "readout", "aria-hidden": "true" }, "\u00a0");
    const canvas = h("div", { class: "canvas" });
    const axis = { stroke: colour.muted, grid: { stroke: colour.rule, width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const size = () => ({ width: Math.max(canvas.clientWidth, 240), height });
    box.replaceChildren(canvas, readout);
    const plot = new uPlot(
      {
        ...size(),
        series: [{}, ...series],
        bands,
        scales: { x: { time: false }, y: { range: (_, low, high) => [Math.min(0, low), Math.max(high, 1) * 1.06] } },
        axes: [
          { ...axis, size: 30, splits: (self) => hourMarks(columns[0], self.width < 520 ? 6 : 3), values: (_, marks) => marks.map((at) => format.time(at * 1000)) },
          { ...axis, size: 52, values: (_, marks) => marks.map((value) => format.number(value)) },
        ],
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
        hooks: {
          setCursor: [(self) => nexthour.write(readout, self.cursor.idx === null || self.cursor.idx === undefined ? "\u00a0" : say(self.cursor.idx))],
          draw: now === null ? [] : [(self) => drawNow(self, now, colour.muted)],
        },
      },
      columns,
      canvas,
    );
    const follow = new ResizeObserver(() => plot.setSize(size()));
    follow.observe(canvas);
    drawn.add({ plot, follow });
    return plot;
  }

  function drawNow(plot, at, colour) {
    const { ctx, bbox } = plot;
    const x = Math.round(plot.valToPos(at, "x", true)) + 0.5;
    ctx.save();
    ctx.strokeStyle = colour;
    ctx.setLineDash([4, 4]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.restore();
  }

  /** Forget all charts, before others take their place. */
  function clear() {
    for (const { plot, follow } of drawn) {
      follow.disconnect();
      plot.destroy();
    }
    drawn.clear();
  }

  /** Today: typical as ground, observed as a line, the next hour and the rest of the day with their ranges. */
  function today(box, { day, series, target }) {
    const colour = colours();
    const seconds = Array.from({ length: day.bins }, (_, i) => (day.start + i * day.minutes) * 60);
    const [first, end] = day.next_hour;
    const keep = (values, from, until) => values.map((value, i) => (i >= from && i < until ? value : null));
    const ends = (values) => keep(values, Math.max(end - 1, 0), day.bins); // the rest begins where the hour ends
    const { usual, observed, forecast, low, high } = series;
    const width = 2;
    const plain = { points: { show: false }, spanGaps: false };
    draw(box, {
      columns: [seconds, usual, keep(high, first, end), keep(low, first, end), ends(high), ends(low), observed, keep(forecast, first, end), ends(forecast)],
      series: [
        { ...plain, stroke: colour.usual, width: 1.5, fill: colour["usual-ground"] },
        ...Array(4).fill({ ...plain, stroke: "transparent", width: 0 }),
        { ...plain, stroke: colour.observed, width },
        { ...plain, stroke: colour.forecast, width: 3 },
        { ...plain, stroke: colour.forecast, width: 1.5, dash: [5, 4] },
      ],
      bands: [
        { series: [2, 3], fill: colour.range },
        { series: [4, 5], fill: colour["range-rest"] },
      ],
      now: seconds[first] ?? null,
      say: (i) => sayPlace(seconds[i], target, { observed: observed[i], forecast: forecast[i], low: low[i], high: high[i], usual: usual[i] }),
    });
  }

  function sayPlace(at, target, { observed, forecast, low, high, usual }) {
    const n = format.number;
    const parts = [`${format.time(at * 1000)}`];
    if (observed !== null) parts.push(`${format.t("legend_observed")} ${n(observed)}`);
    if (forecast !== null) parts.push(`${format.t("forecast")} ${n(forecast)} (${format.t("band", { low: n(low), high: n(high) })})`);
    if (usual !== null) parts.push(`${format.t("legend_usual")} ${n(usual)}`);
    return parts.join(" · ");
  }

  /** Yesterday: per hour the forecast with its range, and the truth as points on a line. */
  function yesterday(box, { seconds, truth, forecast, low, high }) {
    const colour = colours();
    const plain = { points: { show: false }, spanGaps: false };
    const n = format.number;
    draw(box, {
      columns: [seconds, high, low, forecast, truth],
      series: [
        ...Array(2).fill({ ...plain, stroke: "transparent", width: 0 }),
        { ...plain, stroke: colour.forecast, width: 2.5 },
        { points: { show: true, size: 6, fill: colour.observed, stroke: colour.observed }, spanGaps: false, stroke: colour.observed, width: 1.5 },
      ],
      bands: [{ series: [1, 2], fill: colour.range }],
      height: 220,
      say: (i) =>
        `${format.time(seconds[i] * 1000)} · ${format.t("forecast")} ${n(forecast[i])} (${format.t("band", { low: n(low[i]), high: n(high[i]) })}) · ${format.t("truth")} ${n(truth[i])}`,
    });
  }

  /** Numbers behind a chart, folded away. */
  function table(heads, rows) {
    const cells = (row) => row.map((text, i) => h(i ? "td" : "th", i ? {} : { scope: "row" }, text));
    return h(
      "details",
      { class: "numbers" },
      h("summary", {}, format.t("as_table")),
      h(
        "div",
        { class: "scroll", tabindex: "0", role: "group", "aria-label": format.t("as_table") },
        h(
          "table",
          {},
          h("thead", {}, h("tr", {}, heads.map((text) => h("th", { scope: "col" }, text)))),
          h("tbody", {}, rows.map((row) => h("tr", {}, cells(row)))),
        ),
      ),
    );
  }

  return { today, yesterday, table, clear };
})();
