"use strict";
/* The page of one station: the number, its day, its reasons, and how yesterday's forecasts did. */
nexthour.station = (() => {
  const { h, format, pictures, charts, list } = nexthour;
  const NAMES = ["usual", "observed", "forecast", "low", "high"];

  function render(context) {
    const { station } = context;
    const chips = [
      station.line,
      station.zone && format.t("zone", { zone: station.zone }),
      station.capacity && format.t("capacity", { count: format.number(station.capacity) }),
      station.label === station.id ? null : station.id,
    ];
    return h(
      "article",
      { class: "station" },
      navigation(context),
      h(
        "header",
        {},
        h("h2", { tabindex: "-1", id: "station-name" }, station.label),
        h("p", { class: "chips" }, chips.filter(Boolean).map((text) => h("span", { class: "chip" }, text))),
      ),
      h("div", { class: "column" }, headline(context), whySection(context)),
      h("div", { class: "column" }, todaySection(context), yesterdaySection()),
    );
  }

  function yesterdaySection() {
    const title = h("h3", { id: "yesterday-title" }, format.t("yesterday"), h("small", {}, format.t("per_hour")));
    return h("section", { class: "panel", "aria-labelledby": "yesterday-title" }, title, h("div", { id: "yesterday-chart" }));
  }

  function navigation({ before, after, link, home }) {
    const to = (id, name, text) => id !== undefined && h("a", { class: "button", href: link(id), rel: name, "aria-label": format.t(name) }, text);
    return h(
      "nav",
      { class: "steps", "aria-label": format.t("col_station") },
      h("a", { class: "button", href: home, id: "back" }, `← ${format.t("back")}`),
      h("span", { class: "pair" }, to(before, "previous", "‹"), to(after, "next", "›")),
    );
  }

  function headline({ station, figures, overview, target }) {
    const end = Date.parse(overview.origin_utc);
    const shares = [["usual", figures.percent_of_usual], ["record", figures.percent_of_record], ["capacity", figures.percent_of_capacity]];
    return h(
      "section",
      { class: `panel headline${figures.alert ? " alert" : ""}`, "aria-label": format.t("next_hour") },
      h("p", { class: "when" }, `${format.target(target)}, ${format.time(end)} – ${format.time(end + 3600000)}`),
      h("p", { class: "big" }, h("strong", {}, format.number(figures.hour)), h("span", { class: "band" }, format.t("band", { low: format.number(figures.low), high: format.number(figures.high) }))),
      h("p", { class: `level level-${figures.level ?? 0}` }, pictures.levelIcon(figures.level), h("span", {}, list.levelName(figures))),
      h("p", { class: "note" }, list.noteOf(station, figures)),
      h("dl", { class: "shares" }, shares.filter(([, value]) => value !== null).map(([name, value]) => h("div", {}, h("dt", {}, format.t(`of_${name}`)), h("dd", {}, format.percent(value / 100))))),
    );
  }

  function todaySection({ overview, station, figures, target }) {
    const n = format.number;
    const minutes = format.minutes(overview.day.minutes);
    const text = format.t("today_chart", {
      station: station.label, target: format.target(target), minutes, hour: n(figures.hour), low: n(figures.low), high: n(figures.high), usual: n(figures.usual),
    });
    return h(
      "section",
      { class: "panel today", "aria-labelledby": "today-title" },
      h("h3", { id: "today-title" }, format.t("today"), h("small", {}, format.t("per_bin", { minutes }))),
      h("div", { id: "today-chart", class: "chart", role: "img", "aria-label": text }),
      pictures.legend(["usual", "observed", "forecast", "rest"]),
      h("div", { id: "today-table" }),
    );
  }

  /** The sentence of the reasons, and each part with the people that it adds or takes. */
  function whySection({ station, figures, overview, target }) {
    const weekday = format.weekday(Date.parse(overview.origin_utc));
    const title = h("h3", { id: "why-title" }, format.t("why"));
    const attributes = { class: "panel why", "aria-labelledby": "why-title" };
    if (figures.usual === null || figures.level_factor === null) return h("section", attributes, title, h("p", {}, format.t("why_unknown")));
    const touching = overview.overrides.filter((each) => each.stations.includes(station.id) && (each.target ?? target) === target);
    const overrides = touching.map(({ factor, to, why }) =>
      h("p", { class: "note" }, format.t("scaled_why", { factor: format.factor(factor), time: format.moment(Date.parse(to)), why })),
    );
    const steps = waterfall(figures);
    const most = Math.max(...steps.flatMap(({ from, to }) => [from, to]), 1);
    const rows = steps.map(({ name, factor, from, to }) => {
      const bar = h("span", { class: `fall ${factor === null ? "whole" : to < from ? "less" : "more"}` });
      bar.style.left = `${(Math.min(from, to) / most) * 100}%`;
      bar.style.width = `${(Math.abs(to - from) / most) * 100}%`;
      return h(
        "tr",
        {},
        h("th", { scope: "row" }, capital(format.t(`why_${name}`, { weekday, channels: list.channelNames(overview.channels) }))),
        h("td", { class: "bar", "aria-hidden": "true" }, h("span", { class: "track" }, bar)),
        h("td", {}, factor === null ? "" : `×${format.factor(factor)}`),
        h("td", {}, factor === null ? format.number(to) : format.signed(to - from)),
      );
    });
    const heads = ["part", null, "factor", "people"].map((name) => (name ? h("th", { scope: "col" }, format.t(`why_${name}`)) : h("td", { "aria-hidden": "true" })));
    return h("section", attributes, title, h("p", {}, sentence(figures, weekday, overview.channels)), h("table", {}, h("thead", { class: "unseen" }, h("tr", {}, heads)), h("tbody", {}, rows)), overrides);
  }

  const capital = (text) => text.charAt(0).toLocaleUpperCase(format.language()) + text.slice(1);

  function waterfall(figures) {
    let held = figures.usual;
    const steps = [{ name: "usual", factor: null, from: 0, to: held }];
    for (const part of list.PARTS) {
      const factor = figures[`${part}_factor`] ?? 1;
      const shown = part === "level" || part === "model" || Math.abs(factor - 1) > 0.0005;
      if (shown) steps.push({ name: part, factor, from: held, to: held * factor });
      held *= factor;
    }
    return [...steps, { name: "result", factor: null, from: 0, to: figures.hour }];
  }

  function sentence(figures, weekday, channels) {
    const moved = list.PARTS.map((part) => [part, (figures[`${part}_factor`] ?? 1) - 1]).filter(([, by]) => Math.abs(by) >= 0.005);
    const parts = moved.map(([part, by]) => format.t(`say_${part}_${by > 0 ? "up" : "down"}`, { percent: format.percent(Math.abs(by)), channels: list.channelNames(channels) }));
    const kind = Math.abs(figures.share ?? 0) < 0.005 ? "same" : figures.share > 0 ? "more" : "less";
    const said = parts.length > 0 ? format.list(parts) : format.t("say_nothing");
    return format.t(`say_${kind}`, { percent: format.percent(Math.abs(figures.share ?? 0)), weekday, parts: said });
  }

  /** Draw the chart of today, when its details have come. */
  function showToday({ overview, target }, part) {
    const { day } = overview;
    const packed = part.values[target];
    const series = Object.fromEntries(NAMES.map((name) => [name, nexthour.data.spread(packed, packed[name], day.bins)]));
    charts.today(document.getElementById("today-chart"), { day, series, target });
    const n = format.number;
    const rows = series.usual.map((usual, i) => [
      format.time((day.start + i * day.minutes) * 60000), n(usual), n(series.observed[i]), n(series.forecast[i]),
      series.low[i] === null ? "–" : format.t("band", { low: n(series.low[i]), high: n(series.high[i]) }),
    ]);
    const heads = ["time", "legend_usual", "legend_observed", "forecast", "range"].map((key) => format.t(key));
    document.getElementById("today-table").replaceChildren(charts.table(heads, rows));
  }

  /** Draw what was forecast for each hour of yesterday, and what came. */
  function showYesterday({ overview, target, station }, part) {
    const box = document.getElementById("yesterday-chart");
    const packed = part?.values[target];
    if (!packed) {
      box.replaceChildren(h("p", {}, format.t("yesterday_none")));
      return;
    }
    const { start, minutes, bins } = part.day;
    const seconds = Array.from({ length: bins }, (_, i) => (start + i * minutes) * 60);
    const [truth, forecast, low, high] = ["truth", "forecast", "low", "high"].map((name) => nexthour.data.spread(packed, packed[name], bins));
    const chart = h("div", { class: "chart", role: "img", "aria-label": format.t("yesterday_chart", { station: station.label, target: format.target(target), day: format.day(seconds[0] * 1000) }) });
    const n = format.number;
    const rows = seconds.map((at, i) => [format.time(at * 1000), n(forecast[i]), low[i] === null ? "–" : format.t("band", { low: n(low[i]), high: n(high[i]) }), n(truth[i])]);
    box.replaceChildren(
      h("p", {}, judge(truth, forecast, low, high)),
      chart,
      pictures.legend(["issued", "truth"]),
      charts.table(["hour", "forecast", "range", "truth"].map((key) => format.t(key)), rows),
    );
    charts.yesterday(chart, { seconds, truth, forecast, low, high });
  }

  function judge(truth, forecast, low, high) {
    const both = truth.map((_, i) => i).filter((i) => truth[i] !== null && forecast[i] !== null);
    if (both.length === 0) return format.t("yesterday_none");
    const sum = (values) => values.reduce((a, b) => a + b, 0);
    const inside = both.filter((i) => truth[i] >= low[i] && truth[i] <= high[i]).length;
    const error = sum(both.map((i) => Math.abs(truth[i] - forecast[i])));
    const share = error / Math.max(sum(both.map((i) => truth[i])), 1);
    return format.t("yesterday_figures", {
      inside: format.number(inside), hours: format.number(both.length), error: format.number(error / both.length), share: format.percent(share),
    });
  }

  return { render, showToday, showYesterday };
})();
