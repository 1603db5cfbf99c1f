"use strict";
/* What is said of the whole: notices, the sum of the network, stations by level, and the header. */
nexthour.summary = (() => {
  const { h, format, pictures, list } = nexthour;
  const NAMED = 4;

  /** Sentences that a reader must see, the worst first: [kind, text]; kind is "alarm", "bad" or "watch". */
  function notices({ now, overview, target, unreachable }) {
    const { t, plural } = format;
    const fresh = nexthour.data.freshness(now, Date.now());
    const found = [];
    const time = format.moment(fresh.issued);
    if (fresh.ahead) found.push(["bad", t("notice_clock", { time })]);
    if (fresh.over) found.push(["bad", t("notice_over", { time: format.moment(fresh.end) })]);
    else if (fresh.old && fresh.due === null) found.push(["bad", t("notice_old_unknown", { time })]);
    else if (fresh.old) found.push(["bad", t("notice_old", { time, due: format.moment(fresh.due) })]);
    if (unreachable) found.push(["bad", t("notice_unreachable", { time: format.moment(unreachable) })]);
    for (const alert of overview.alerts.slice(0, NAMED)) found.push(["alarm", alertText(alert, overview)]);
    if (overview.alerts.length > NAMED) found.push(["alarm", plural("alerts_more", overview.alerts.length - NAMED)]);
    if (overview.degraded_reason) found.push(["bad", t("notice_degraded", { reason: reasonText(overview.degraded_reason) })]);
    for (const verdict of overview.failed.slice(0, NAMED)) found.push(["watch", t("notice_failed", { detail: `${verdict.name}: ${verdict.detail}` })]);
    const silent = overview.list.filter((station) => station.silent_since !== null);
    if (silent.length > 0) found.push(["watch", plural("notice_silent", silent.length, { names: names(silent) })]);
    const scaled = overview.list.filter((station) => list.isScaled(nexthour.data.figuresOf(overview, target, station.index)));
    if (scaled.length > 0) found.push(["watch", plural("notice_override", scaled.length, { names: names(scaled) })]);
    return { found, fresh };
  }

  /** How the parts of a reason begin or read, and how each is said; a part that none describes stays as it is. */
  const REASONS = [
    [/^stale_data: last observation (\d+) min ago$/, (minutes) => format.t("reason_stale", { minutes: format.minutes(Number(minutes)) })],
    [/^stale_data: nothing was observed$/, () => format.t("reason_nothing")],
    [/^missing_channel: (.+)$/, (names) => format.t("reason_channel", { names })],
    [/^(\S+) implausible at (.+)$/, (rung, places) => format.t("reason_at", { rung, places: inParts(places, ", ") })],
    [/^(\d+) of (\d+) stations: used (\S+)$/, (count, all, rung) => format.t("reason_at_used", { count, all, rung })],
    [/^(\d+) of (\d+) stations: cut to their history$/, (count, all) => format.t("reason_at_cut", { count, all })],
    [/^(.+): used (\S+)$/, (rungs, rung) => format.t("reason_used", { rungs: inParts(rungs, ", "), rung })],
    [/^no (\S+)$/, (rung) => format.t("reason_no", { rung })],
    [/^(\S+) implausible$/, (rung) => format.t("reason_implausible", { rung })],
  ];

  function inParts(reason, between) {
    return reason.split(between).map((part) => {
      const [pattern, say] = REASONS.find(([each]) => each.test(part)) ?? [];
      return pattern ? say(...pattern.exec(part).slice(1)) : part;
    }).join(between);
  }

  /** Why a forecast is degraded, in the reader's language. */
  const reasonText = (reason) => inParts(reason, "; ");

  function alertText(alert, overview) {
    const station = overview.list.find((each) => each.id === alert.station_id)?.label ?? alert.station_id;
    return format.t(`alert_${alert.signal}`, {
      station, target: format.target(alert.target), forecast: format.number(alert.forecast), value: format.number(alert.value), probability: format.percent(alert.strength),
    });
  }

  function names(stations) {
    const first = stations.slice(0, NAMED).map((station) => station.label);
    const more = stations.length - first.length;
    return format.list(more > 0 ? [...first, format.t("and_more", { count: format.number(more) })] : first);
  }

  /** The sum of the network beside its usual one. */
  function total(overview, target) {
    const known = overview.list.map((station) => nexthour.data.figuresOf(overview, target, station.index)).filter(({ usual, hour }) => usual !== null && hour !== null);
    const usual = known.reduce((sum, figures) => sum + figures.usual, 0);
    const share = usual > 0 ? known.reduce((sum, figures) => sum + figures.hour, 0) / usual - 1 : null;
    const key = share === null ? null : Math.abs(share) < 0.005 ? "than_usual_same" : share > 0 ? "than_usual_more" : "than_usual_less";
    const people = Object.hasOwn(nexthour.texts.en, `people_${target}`) ? `people_${target}` : "people_other";
    return h(
      "div",
      { class: "total" },
      h("p", { class: "what" }, format.t("network_total")),
      h("p", { class: "figure" }, h("strong", {}, format.number(overview.totals[target], 0))),
      h("p", {}, format.t(people, { target: format.target(target) })),
      key && h("p", { class: "than" }, format.t(key, { percent: format.percent(Math.abs(share)) })),
    );
  }

  /** How many stations are at each level, as a bar and as buttons that filter by it (on the wall as text). */
  function levels(overview, target, chosen, choose) {
    const counts = new Map();
    for (const station of overview.list) {
      const level = nexthour.data.figuresOf(overview, target, station.index).level ?? 0;
      counts.set(level, (counts.get(level) ?? 0) + 1);
    }
    const steps = [5, 4, 3, 2, 1, 0].filter((level) => level > 0 || counts.has(0));
    const bar = h("div", { class: "level-bar", "aria-hidden": "true" }, steps.map((level) => {
      const part = h("span", { class: `level-${level}` });
      part.style.flexGrow = counts.get(level) ?? 0;
      return part;
    }));
    const item = (level) => {
      const name = level ? format.level(overview.level_names[level - 1]) : format.t("unknown_level");
      const inside = [pictures.levelIcon(level), h("strong", {}, format.number(counts.get(level) ?? 0)), h("span", {}, name)];
      if (!choose) return h("li", { class: `level level-${level}` }, inside);
      const attributes = { type: "button", class: `level level-${level}`, "aria-pressed": chosen === level ? "true" : "false", onclick: () => choose(chosen === level ? null : level) };
      return h("li", {}, h("button", attributes, inside));
    };
    return h("div", { class: "levels" }, h("p", { class: "what", id: "levels-title" }, format.t("levels")), bar, h("ul", { "aria-labelledby": "levels-title" }, steps.map(item)));
  }

  /** Age of forecast, model and data, in words. */
  function state({ now, overview }) {
    const { t } = format;
    const issued = Date.parse(now.issued_at);
    const texts = [t("issued", { time: format.moment(issued) })];
    if (now.next_issue_at) texts.push(t("next_issue", { time: format.time(Date.parse(now.next_issue_at)) }));
    const model = [t("model", { version: overview.model_version })];
    if (overview.trained_until) model.push(t("model_age", { age: format.ago(Date.parse(overview.trained_until)) }));
    else if (overview.rung && overview.rung !== "champion") model.push(t("fallback"));
    const seen = overview.minutes_since_seen;
    const data = seen === null || seen === undefined ? t("data_unknown") : t("data_minutes", { minutes: format.minutes(seen) });
    return [texts.join(", "), model.join(", "), data];
  }

  return { notices, total, levels, state };
})();
