"use strict";
/* The map: points on plain ground, without tiles. Size says people; colour, shape and digit say the level. */
nexthour.map = (() => {
  const { h, svg, format, list } = nexthour;
  const WIDTH = 1000;
  const MARGIN = 46;
  const LABELS = 40;
  const SHAPES = {
    0: (r) => `M${-r} 0L0 ${-r}L${r} 0L0 ${r}Z`,
    1: (r) => `M0 ${r}L${r} ${-0.75 * r}L${-r} ${-0.75 * r}Z`, // points down: far below usual
    2: (r) => `M0 ${r}L${r} 0L${0.7 * r} ${-0.8 * r}L${-0.7 * r} ${-0.8 * r}L${-r} 0Z`,
    3: (r) => `M${-r} 0A${r} ${r} 0 1 0 ${r} 0A${r} ${r} 0 1 0 ${-r} 0Z`,
    4: (r) => `M0 ${-r}L${r} 0L${0.7 * r} ${0.8 * r}L${-0.7 * r} ${0.8 * r}L${-r} 0Z`,
    5: (r) => `M0 ${-1.1 * r}L${1.1 * r} ${0.8 * r}L${-1.1 * r} ${0.8 * r}Z`, // points up: far above
  };

  const hasPlace = (station) => station.latitude !== null && station.latitude !== undefined;
  const isPossible = (overview) => overview.list.some(hasPlace);

  /** Positions in the picture: north is up, and a kilometre is as long eastwards as northwards. */
  function project(stations) {
    const latitudes = stations.map((station) => station.latitude);
    const middle = ((Math.min(...latitudes) + Math.max(...latitudes)) / 2) * (Math.PI / 180);
    const xs = stations.map((station) => station.longitude * Math.cos(middle));
    const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...latitudes), Math.max(...latitudes)];
    const span = Math.max(right - left, (high - low) / 0.62, 1e-4);
    const scale = (WIDTH - 2 * MARGIN) / span;
    const height = Math.max((high - low) * scale + 2 * MARGIN, 320);
    const points = stations.map((station, i) => [
      (xs[i] - (left + right) / 2) * scale + WIDTH / 2,
      ((low + high) / 2 - station.latitude) * scale + height / 2,
    ]);
    return { points, height, perKilometre: scale / 111.2 };
  }

  function render(shown, overview, link) {
    const placed = shown.filter(({ station }) => hasPlace(station));
    if (placed.length === 0) return h("p", { class: "none" }, format.t("none"));
    const { points, height, perKilometre } = project(placed.map(({ station }) => station));
    const most = Math.max(...placed.map(({ figures }) => figures.hour ?? 0), 1);
    const scale = Math.min(1, Math.max(0.62, Math.sqrt(60 / placed.length))); // many stations, small points
    const items = placed.map((item, i) => ({ ...item, at: points[i], size: scale * (6 + 15 * Math.sqrt((item.figures.hour ?? 0) / most)) }));
    items.sort((a, b) => b.size - a.size); // small points lie on top of large ones
    const links = items.map((item) => makePoint(item, link));
    const picture = svg(
      "svg",
      { class: "map", viewBox: `0 0 ${WIDTH} ${height}`, role: "group", "aria-label": format.t("map_caption") },
      links,
      labels(items, height),
      scaleBar(perKilometre, height),
    );
    picture.addEventListener("keydown", (event) => move(event, items, links));
    links[0].setAttribute("tabindex", "0");
    const missing = shown.length - placed.length;
    return h(
      "div",
      { class: "map-frame" },
      picture,
      legend(overview.level_names),
      missing > 0 && h("p", { class: "hint" }, format.plural("map_unknown", missing)),
    );
  }

  /** What the shapes mean. */
  function legend(names) {
    const item = (name, i) => h("li", { class: `level level-${i + 1}` }, svg("svg", { viewBox: "-11 -11 22 22", "aria-hidden": "true" }, svg("path", { d: SHAPES[i + 1](9), class: "shape" })), h("span", {}, format.level(name)));
    return h("ul", { class: "shapes" }, names.map(item).reverse());
  }

  function makePoint({ station, figures, at, size }, link) {
    const level = figures.level ?? 0;
    const text = format.t("map_point", {
      station: station.label, level: list.levelName(figures), hour: format.number(figures.hour),
    });
    return svg(
      "a",
      {
        href: link(station.id), class: `point level-${level}`, tabindex: "-1", "aria-label": text,
        transform: `translate(${at[0].toFixed(1)} ${at[1].toFixed(1)})`,
      },
      svg("title", {}, text),
      svg("path", { d: SHAPES[level](size), class: "shape" }),
      size > 8 && level > 0 && svg("text", { class: "digit", y: 4, "aria-hidden": "true" }, String(level)),
    );
  }

  /** Names of the stations that matter most, as far as they have room. */
  function labels(items, height) {
    const boxes = items.map(({ at, size }) => [at[0] - size, at[1] - size, at[0] + size, at[1] + size]);
    const weight = ({ figures }) => figures.surprise * 3 + Math.sqrt(figures.hour ?? 0);
    const free = (box) => boxes.every((other) => box[2] < other[0] || box[0] > other[2] || box[3] < other[1] || box[1] > other[3]);
    const made = [];
    for (const item of [...items].sort((a, b) => weight(b) - weight(a))) {
      if (made.length === LABELS) break;
      const name = item.station.label.length > 22 ? `${item.station.label.slice(0, 21)}…` : item.station.label;
      const width = name.length * 7.4;
      const y = item.at[1];
      for (const [x, anchor] of [[item.at[0] + item.size + 4, "start"], [item.at[0] - item.size - 4, "end"]]) {
        const left = anchor === "start" ? x : x - width;
        const box = [left, y - 8, left + width, y + 8];
        if (left < 2 || left + width > WIDTH - 2 || y < 10 || y > height - 10 || !free(box)) continue;
        boxes.push(box);
        made.push(svg("text", { class: "label", x, y: y + 4.5, "text-anchor": anchor }, name));
        break;
      }
    }
    return svg("g", { "aria-hidden": "true" }, made);
  }

  function scaleBar(perKilometre, height) {
    const wanted = 140 / perKilometre;
    const count = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200].findLast((size) => size <= wanted) ?? 0.1;
    const width = count * perKilometre;
    return svg(
      "g",
      { class: "scale", transform: `translate(16 ${height - 16})` },
      svg("path", { d: `M0 -6V0H${width.toFixed(1)}V-6` }),
      svg("text", { x: width + 8, y: 2 }, format.t("kilometres", { count: format.number(count) })),
    );
  }

  /** Arrow keys go to the nearest point in their direction; one point of the map is in the tab order. */
  function move(event, items, links) {
    const [dx, dy] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key] ?? [];
    const from = links.indexOf(document.activeElement);
    if (dx === undefined || from < 0) return;
    event.preventDefault();
    const [x, y] = items[from].at;
    let best = -1;
    let least = Infinity;
    items.forEach(({ at }, i) => {
      const along = (at[0] - x) * dx + (at[1] - y) * dy;
      const across = Math.abs((at[0] - x) * dy) + Math.abs((at[1] - y) * dx);
      if (i !== from && along > 0 && along + 2.5 * across < least) [best, least] = [i, along + 2.5 * across];
    });
    if (best < 0) return;
    links[from].setAttribute("tabindex", "-1");
    links[best].setAttribute("tabindex", "0");
    links[best].focus();
  }

  return { render, isPossible };
})();
