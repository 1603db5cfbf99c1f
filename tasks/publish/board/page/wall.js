"use strict";
/* The wall: large type for reading across a room; pages of stations in turn, the most remarkable first. */
nexthour.wall = (() => {
  const { h, write, format, pictures, list } = nexthour;
  const PAGES = 5;
  const CARD = { width: 22, height: 11.5 }; // at least, in rem, which grow with the screen
  let page = 0;
  let paused = false;
  let timer = null;
  let parts = null;
  let context = null;

  function render(actions) {
    const button = (name, action) => h("button", { type: "button", class: "button", onclick: action }, format.t(name));
    parts = {
      grid: h("ul", { class: "cards" }),
      clock: h("p", { class: "clock" }),
      when: h("p", { class: "when" }),
      title: h("h1"),
      totals: h("div", { class: "totals" }),
      pages: h("p", { class: "pages" }),
      state: h("p", { class: "state" }),
      pause: button("wall_pause", () => pause(!paused)),
    };
    return h(
      "div",
      { class: "wall" },
      h("header", { class: "wall-head" }, h("div", {}, parts.title, parts.when), parts.clock),
      parts.totals,
      parts.grid,
      h("footer", { class: "wall-foot" }, parts.state, parts.pages, h("div", { class: "controls" }, parts.pause, button("wall_leave", actions.leave))),
    );
  }

  function update(given) {
    context = given;
    const origin = Date.parse(context.overview.origin_utc);
    write(parts.title, context.overview.network);
    write(parts.when, `${format.target(context.target)}, ${format.time(origin)} – ${format.time(origin + 3600000)}`);
    write(parts.state, context.state);
    parts.totals.replaceChildren(...context.totals());
    showPage();
    if (timer === null) timer = setInterval(() => paused || turn(1), context.seconds * 1000);
  }

  function showPage() {
    if (parts === null || context === null) return;
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const columns = Math.max(1, Math.floor(parts.grid.clientWidth / (CARD.width * rem)));
    const rows = Math.max(1, Math.floor(parts.grid.clientHeight / (CARD.height * rem)));
    const size = columns * rows;
    const pages = Math.min(Math.max(1, Math.ceil(context.shown.length / size)), PAGES);
    page = ((page % pages) + pages) % pages;
    parts.grid.style.setProperty("--columns", columns);
    parts.grid.style.setProperty("--rows", rows);
    const seen = context.shown.slice(page * size, (page + 1) * size);
    parts.grid.replaceChildren(...seen.map((item) => card(item, context)));
    write(parts.pages, pages > 1 ? format.t("wall_page", { page: page + 1, pages }) : "");
    write(parts.pause, format.t(paused ? "wall_go" : "wall_pause"));
    parts.pause.hidden = pages < 2;
  }

  function card({ station, figures }, { overview, link }) {
    const note = list.noteOf(station, figures);
    return h(
      "li",
      { class: `card level-${figures.level ?? 0}${station.silent_since === null ? "" : " silent"}${figures.alert ? " alert" : ""}` },
      h(
        "div",
        { class: "card-top" },
        h("a", { href: link(station.id), class: "card-name" }, station.label),
        h("span", { class: `level level-${figures.level ?? 0}` }, h("span", {}, list.levelName(figures)), pictures.levelIcon(figures.level)),
      ),
      h(
        "div",
        { class: "card-middle" },
        h("strong", { class: "card-hour" }, format.number(figures.hour)),
        h(
          "div",
          { class: "card-side" },
          h("span", { class: "share" }, format.percent(figures.share, true)),
          h("span", { class: "band" }, [format.t("band", { low: format.number(figures.low), high: format.number(figures.high) }), note ? null : station.line].filter(Boolean).join(" · ")),
        ),
      ),
      note && h("p", { class: "card-note" }, note),
      pictures.spark(figures.today, overview.day),
    );
  }

  function turn(by) {
    page += by;
    showPage();
  }

  function pause(wanted) {
    paused = wanted;
    showPage();
  }

  function tick() {
    if (parts !== null) write(parts.clock, format.clock(Date.now()));
  }

  function stop() {
    clearInterval(timer);
    [timer, parts, context, page] = [null, null, null, 0];
  }

  /** Space pauses, arrow keys turn pages; on a button they do what they always do. */
  function onKey(event) {
    if (event.key === "ArrowRight") turn(1);
    else if (event.key === "ArrowLeft") turn(-1);
    else if (event.key === " " && !event.target.closest("button, a")) {
      event.preventDefault();
      pause(!paused);
    }
  }

  return { render, update, showPage, tick, stop, onKey };
})();
