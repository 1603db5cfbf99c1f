"use strict";
/* The page as a whole: what the address asks for, the header, the tools, and the clock that fetches new issues. */
(() => {
  const { h, write, format, data, list, map, station, summary, charts, wall } = nexthour;
  const { stored, wishes, asked, address, stationLink, homeLink } = nexthour.address;
  const SORTS = ["people", "level", "surprise", "name"];
  const REFRESH_SECONDS = 15;
  const WALL_SECONDS = 12;
  const MOST_ROWS = 500; // more would make a phone slow; the search finds the others
  const at = Object.fromEntries(["skip", "head", "notices", "main", "foot"].map((id) => [id, document.getElementById(id)]));
  const state = { now: null, overview: null, unreachable: null, query: "", level: null, drawn: "", page: null };
  let looking = null;

  function route() {
    const params = wishes();
    const view = params.has("wall") ? "wall" : params.has("station") ? "station" : params.has("map") ? "map" : "list";
    const targets = state.overview?.targets ?? [];
    const target = targets.includes(params.get("target")) ? params.get("target") : targets[0];
    const sorts = view === "wall" ? [params.get("sort"), "surprise"] : [params.get("sort"), stored.get("sort"), "people"];
    return { view, target, id: params.get("station"), line: params.get("line"), sort: sorts.find((sort) => SORTS.includes(sort)) };
  }

  function go(changes) {
    history.replaceState(null, "", address(changes));
    draw();
  }

  /** Stations with their figures as the address and the search want them. */
  function chosen({ target, sort, line }) {
    const query = format.plain(state.query.trim());
    const shown = state.overview.list.map((each) => ({ station: each, figures: data.figuresOf(state.overview, target, each.index) }));
    const wanted = shown.filter(({ station: each, figures }) => {
      const text = format.plain([each.label, each.id, each.line, each.zone].filter(Boolean).join(" "));
      return text.includes(query) && (!line || each.line === line) && (state.level === null || (figures.level ?? 0) === state.level);
    });
    const byName = format.order();
    const weight = {
      people: ({ figures }) => figures.hour ?? -1,
      level: ({ figures }) => (figures.level ?? 0) * 1e9 + (figures.hour ?? 0),
      surprise: ({ figures }) => (figures.alert ? 1e9 : 0) + figures.surprise,
      name: () => 0,
    }[sort];
    return wanted.sort((a, b) => weight(b) - weight(a) || byName(a.station.label, b.station.label));
  }

  /** Draw the view, whole where it is another one, else only what changed. */
  function draw() {
    const { overview } = state;
    format.use(format.choose(asked("lang"), stored.get("lang"), overview?.language === "browser" ? null : overview?.language, ...navigator.languages), overview?.timezone ?? "UTC");
    applyTheme();
    document.documentElement.lang = format.language();
    write(at.skip, format.t("skip"));
    if (!overview) {
      at.main.replaceChildren(h("p", { class: "hint" }, format.t("loading")));
      return;
    }
    const now = route();
    const view = [now.view, now.id, format.language(), overview.targets.join()].join("|");
    const fresh = view !== state.drawn;
    document.documentElement.dataset.view = now.view;
    document.title = format.t("title", { network: overview.network });
    if (fresh) leave();
    drawHead(now);
    if (now.view === "wall") drawWall(now, fresh);
    else if (now.view === "station") drawStation(now, fresh);
    else drawStations(now, fresh);
    drawFoot(now);
    state.drawn = view;
    check();
  }

  function leave() {
    charts.clear();
    wall.stop();
  }

  function applyTheme() {
    const wanted = theme();
    if (wanted === "dark" || wanted === "light") document.documentElement.dataset.theme = wanted;
    else delete document.documentElement.dataset.theme;
  }

  function select(name, label, options, value, onchange) {
    const made = h("select", { id: name, onchange: (event) => onchange(event.target.value) }, options.map(([key, text]) => h("option", { value: key }, text)));
    made.value = value;
    return h("label", { class: "field" }, h("span", {}, label), made);
  }

  function drawHead({ view }) {
    const { t } = format;
    const { overview, now } = state;
    const origin = Date.parse(overview.origin_utc);
    const key = JSON.stringify([state.now, view === "wall", format.language()]);
    if (at.head.dataset.key === key) return;
    at.head.dataset.key = key;
    if (view === "wall") {
      at.head.replaceChildren();
      return;
    }
    at.head.replaceChildren(
      h("div", { class: "brand" }, h("h1", {}, overview.network), h("p", { class: "when" }, `${t("next_hour")} `, h("strong", {}, `${format.time(origin)} – ${format.time(origin + 3600000)}`))),
      h("ul", { class: "state" }, summary.state({ now, overview }).map((text) => h("li", {}, text))),
    );
  }

  function drawFoot({ view }) {
    const { t } = format;
    const key = [view === "wall", format.language(), theme()].join();
    if (at.foot.dataset.key === key) return;
    at.foot.dataset.key = key;
    const languages = Object.keys(nexthour.texts).map((name) => [name, nexthour.texts[name].language]);
    const themes = ["auto", "light", "dark"].map((name) => [name, t(`theme_${name}`)]);
    const change = (name) => (value) => {
      stored.set(name, value);
      go({ [name]: null });
      document.getElementById(name).focus();
    };
    at.foot.replaceChildren(
      ...(view === "wall"
        ? []
        : [
            h("h2", {}, t("about")),
            h("p", {}, t("about_range")),
            h("div", { class: "preferences" }, select("lang", t("language_label"), languages, format.language(), change("lang")), select("theme", t("theme"), themes, theme(), change("theme"))),
            h("p", { class: "credit" }, `Nexthour · ${t("licence")}`),
          ]),
    );
  }

  const theme = () => asked("theme") ?? stored.get("theme") ?? "auto";

  function drawStations(now, fresh) {
    const { overview } = state;
    if (fresh) {
      const parts = { figures: h("section", { class: "figures", "aria-label": format.t("network_total") }), tools: h("search", { class: "tools" }), content: h("div", { class: "content" }) };
      at.main.replaceChildren(parts.figures, parts.tools, parts.content);
      if (now.view === "list") parts.content.append(list.render());
      parts.none = h("p", { class: "none" });
      parts.content.append(parts.none);
      parts.count = h("p", { class: "count", role: "status" });
      fillTools(parts, now);
      state.page = parts;
    }
    const shown = chosen(now);
    const { figures, content, none, count, tools } = state.page;
    const pressed = figures.contains(document.activeElement) ? document.activeElement.className : null;
    figures.replaceChildren(summary.total(overview, now.target), summary.levels(overview, now.target, state.level, (level) => {
      state.level = level;
      draw();
    }));
    if (pressed) figures.querySelector(`[class="${pressed}"]`)?.focus();
    tools.querySelector("#target").value = now.target;
    write(count, format.t("shown", { shown: format.number(shown.length), all: format.plural("stations", overview.list.length) }));
    write(none, shown.length === 0 ? format.t("none") : now.view === "list" && shown.length > MOST_ROWS ? format.t("more_rows", { count: format.number(MOST_ROWS) }) : "");
    if (now.view === "list") list.update(shown.slice(0, MOST_ROWS), overview, stationLink, [overview.issue, now.target].join());
    else keepFocus(() => content.replaceChildren(map.render(shown, overview, stationLink)));
    const [view, from] = state.drawn.split("|");
    if (fresh && view === "station") [...content.querySelectorAll("a")].find((each) => each.getAttribute("href") === stationLink(from))?.focus();
  }

  function fillTools({ tools, count }, now) {
    const { t } = format;
    const { overview } = state;
    const search = h("input", {
      type: "search", id: "query", placeholder: t("search_hint"), autocomplete: "off", spellcheck: "false",
      oninput: (event) => {
        state.query = event.target.value;
        draw();
      },
    });
    search.value = state.query;
    const lines = [...new Set(overview.list.map((each) => each.line).filter(Boolean))].sort(format.order());
    const sorts = SORTS.map((name) => [name, t(`sort_${name}`)]);
    const targets = overview.targets.map((name) => [name, format.target(name)]);
    const tab = (view, changes) => h("a", { href: address(changes), class: "tab", "aria-current": now.view === view ? "page" : null }, t(`view_${view}`));
    const none = { station: null, map: null, wall: null };
    const parts = [
      h("label", { class: "field wide" }, h("span", {}, t("search")), search),
      select("target", t("target"), targets, now.target, (value) => go({ target: value === overview.targets[0] ? null : value })),
      select("sort", t("sort"), sorts, now.sort, (value) => {
        stored.set("sort", value);
        go({ sort: null });
      }),
      lines.length > 1 && select("line", t("line"), [["", t("all_lines")], ...lines.map((line) => [line, line])], now.line ?? "", (value) => go({ line: value || null })),
      h("nav", { class: "tabs", "aria-label": t("target") }, tab("list", none), map.isPossible(overview) && tab("map", { ...none, map: "" }), tab("wall", { ...none, wall: "" })),
      count,
    ];
    tools.append(...parts.filter(Boolean));
  }

  function drawStation(now, fresh) {
    const { overview } = state;
    const shown = chosen(now);
    const index = shown.findIndex((item) => item.station.id === now.id);
    const found = overview.list.find((each) => each.id === now.id);
    if (!found) {
      at.main.replaceChildren(h("p", {}, format.t("station_unknown")), h("a", { class: "button", href: homeLink() }, format.t("back")));
      return;
    }
    const context = {
      overview, target: now.target, station: found, figures: data.figuresOf(overview, now.target, found.index),
      before: shown[index - 1]?.station.id, after: index < 0 ? undefined : shown[index + 1]?.station.id, link: stationLink, home: homeLink(),
    };
    document.title = `${found.label} – ${overview.network}`;
    if (fresh) {
      at.main.replaceChildren(station.render(context));
      scrollTo(0, 0);
      document.getElementById("station-name").focus({ preventScroll: true });
    }
    drawDetails(context, fresh);
  }

  /** Charts and tables when their files have come; a page that is shown already is replaced with them at once. */
  async function drawDetails(context, fresh) {
    const { overview, station: each, target } = context;
    const wanted = () => state.overview === overview && route().id === each.id && route().target === target;
    const day = await data.details(overview.issue, "day", overview, each).catch(() => null);
    const past = overview.past ? await data.details(overview.past, "past", overview, each).catch(() => null) : null;
    if (!wanted()) return;
    if (day === null) refresh(); // its files are gone: a newer issue is there
    keepFocus(() => {
      charts.clear();
      if (!fresh) at.main.replaceChildren(station.render(context));
      if (day !== null) station.showToday(context, day);
      station.showYesterday(context, past);
    });
  }

  function drawWall(now, fresh) {
    const { overview } = state;
    if (fresh) at.main.replaceChildren(wall.render({ leave: () => go({ wall: null }) }));
    wall.tick();
    wall.update({
      overview, target: now.target, shown: chosen(now), link: stationLink, seconds: Number(asked("seconds")) || WALL_SECONDS,
      state: summary.state(state).join(" · "),
      totals: () => [summary.total(overview, now.target), summary.levels(overview, now.target, null, null)],
    });
  }

  /** After a redraw, focus and unfolded tables are where they were. */
  function keepFocus(redraw) {
    const active = document.activeElement;
    const inside = at.main.contains(active);
    const folds = [...at.main.querySelectorAll("details")].map((fold) => fold.open);
    const y = scrollY;
    redraw();
    at.main.querySelectorAll("details").forEach((fold, i) => (fold.open = folds[i] ?? false));
    if (inside && !active.isConnected) {
      const same = [...at.main.querySelectorAll("a, summary, [id]")].find((each) => (active.id ? each.id === active.id : each.getAttribute("href") !== null && each.getAttribute("href") === active.getAttribute("href")));
      same?.focus({ preventScroll: true });
    }
    if (inside || y > 0) scrollTo(scrollX, y);
  }

  /** Say what a reader must know now; only a change is announced. */
  function check() {
    if (!state.overview) return;
    const { found, fresh } = summary.notices({ ...state, target: route().target });
    document.documentElement.dataset.age = fresh.over ? "over" : fresh.old ? "old" : "fresh";
    const text = JSON.stringify(found);
    if (at.notices.dataset.text === text) return;
    at.notices.dataset.text = text;
    at.notices.replaceChildren(...found.map(([kind, sentence]) => h("p", { class: `notice ${kind}` }, h("span", { class: "sign", "aria-hidden": "true" }, kind === "watch" ? "i" : "!"), sentence)));
    wall.showPage();
  }

  /** One look at the newest issue at a time: on a slow line, looks that overlap would only queue up. */
  function refresh() {
    looking ??= look().finally(() => (looking = null));
  }

  async function look() {
    try {
      const { now, overview } = await data.newest(state.overview);
      const replaced = state.now !== null && state.now.page !== now.page;
      if (replaced || (overview === null && state.now !== null)) {
        location.reload(); // the page itself is a newer one
        return;
      }
      const changed = overview !== state.overview;
      Object.assign(state, { now, overview, unreachable: null });
      if (changed) draw();
    } catch {
      state.unreachable ??= Date.now();
      if (!state.overview) at.main.replaceChildren(h("p", { class: "notice bad" }, format.t("notice_unreachable", { time: format.time(state.unreachable) })));
    }
    check();
  }

  function start() {
    at.skip.addEventListener("click", (event) => {
      event.preventDefault();
      at.main.focus();
    });
    addEventListener("hashchange", draw);
    addEventListener("resize", () => wall.showPage());
    addEventListener("keydown", (event) => {
      if (route().view === "wall") wall.onKey(event);
      if (event.key === "Escape" && route().view !== "list" && event.target.id !== "query") location.hash = homeLink();
    });
    document.addEventListener("visibilitychange", () => document.hidden || refresh());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      state.drawn = "";
      draw();
    });
    setInterval(refresh, (Number(asked("refresh")) || REFRESH_SECONDS) * 1000);
    setInterval(() => {
      wall.tick();
      check();
    }, 1000);
    draw();
    refresh();
  }

  start();
})();
