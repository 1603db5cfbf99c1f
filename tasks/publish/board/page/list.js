"use strict";
/* The list: one row per station, which stays the same element when numbers or order change. */
nexthour.list = (() => {
  const { h, write, setClass, format, pictures } = nexthour;
  const COLUMNS = ["station", "level", "hour", "usual", "today", "why"];
  const PARTS = ["level", "channels", "model", "override"];
  let rows = new Map();
  let body = null;
  let heads = {};

  function render() {
    rows = new Map();
    body = h("tbody", { role: "rowgroup" });
    heads = Object.fromEntries(COLUMNS.map((name) => [name, h("th", { scope: "col", role: "columnheader", class: `col-${name}` })]));
    for (const [name, cell] of Object.entries(heads)) write(cell, format.t(`col_${name}`));
    return h(
      "div",
      { class: "list" },
      pictures.legend(["usual", "observed", "forecast"]),
      // roles are stated again, as a table that is laid out as cards on a phone loses them
      h(
        "table",
        { role: "table" },
        h("caption", { class: "unseen" }, format.t("list_caption")),
        h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, Object.values(heads))),
        body,
      ),
    );
  }

  function makeRow(station, link) {
    const cell = (name, ...children) => h("td", { role: "cell", class: `col-${name}` }, ...children);
    const row = {
      name: h("a", { href: link(station.id) }, station.label),
      place: h("span", { class: "place" }),
      note: h("span", { class: "note" }),
      level: h("span", { class: "level" }),
      hour: h("strong"),
      band: h("span", { class: "band" }),
      share: h("span", { class: "share" }),
      bar: h("span"),
      today: cell("today"),
      why: cell("why"),
    };
    row.element = h(
      "tr",
      { role: "row" },
      h("th", { scope: "row", role: "rowheader", class: "col-station" }, row.name, row.place, row.note),
      cell("level", row.level),
      cell("hour", row.hour, row.band),
      cell("usual", row.share, row.bar),
      row.today,
      row.why,
    );
    return row;
  }

  function fillRow(row, station, figures, { day, channels }) {
    write(row.name, station.label);
    const place = [station.line, station.label === station.id ? null : station.id].filter(Boolean).join(" · ");
    write(row.place, place);
    write(row.note, noteOf(station, figures));
    const level = figures.level ?? 0;
    setClass(row.level, `level level-${level}`);
    row.level.replaceChildren(pictures.levelIcon(level), h("span", {}, levelName(figures)));
    write(row.hour, format.number(figures.hour));
    write(row.band, format.t("band", { low: format.number(figures.low), high: format.number(figures.high) }));
    write(row.share, format.percent(figures.share, true));
    row.bar.replaceChildren(pictures.differenceBar(figures.share));
    row.today.replaceChildren(pictures.spark(figures.today, day));
    write(row.why, mainReason(figures, channels));
    setClass(row.element, `level-${level}${station.silent_since === null ? "" : " silent"}${figures.alert ? " alert" : ""}`);
  }

  function noteOf(station, figures) {
    const notes = figures.alert ? [format.t(`note_${figures.alert.signal}`, { value: format.number(figures.alert.value) })] : [];
    if (station.silent_since === 0) notes.push(format.t("silent_today"));
    else if (station.silent_since !== null) notes.push(format.t("silent_at", { time: format.time(station.silent_since * 60000) }));
    if (isScaled(figures)) notes.push(format.t("scaled", { factor: format.factor(figures.override_factor) }));
    return notes.join(" · ");
  }

  const isScaled = (figures) => figures.override_factor !== null && Math.abs(figures.override_factor - 1) > 1e-6;

  function levelName(figures) {
    return figures.level === null ? format.t("unknown_level") : format.level(figures.level_name);
  }

  /** Names of the extra channels, as the settings call them. */
  function channelNames(channels) {
    return channels.length > 0 && channels.length < 4 ? format.list(channels) : format.t("channels");
  }

  /** The part that changes the usual number most, if it changes it by at least 2 %. */
  function mainReason(figures, channels) {
    const parts = PARTS.map((part) => [part, figures[`${part}_factor`]]).filter(([, value]) => value > 0);
    const [part, value] = parts.sort((a, b) => Math.abs(Math.log(b[1])) - Math.abs(Math.log(a[1])))[0] ?? ["", 1];
    return Math.abs(value - 1) < 0.02 ? "" : `${format.t(`short_${part}`, { channels: channelNames(channels) })} ${format.percent(value - 1, true)}`;
  }

  /** Show these stations in this order; rows that stay keep focus and place, and with the same stamp their content. */
  function update(shown, overview, link, stamp) {
    const focused = document.activeElement;
    const wanted = new Set(shown.map(({ station }) => station.id));
    for (const [id, row] of rows) {
      if (!wanted.has(id)) {
        row.element.remove();
        rows.delete(id);
      }
    }
    let place = body.firstChild;
    for (const { station, figures } of shown) {
      const row = rows.get(station.id) ?? makeRow(station, link);
      rows.set(station.id, row);
      if (row.stamp !== stamp) fillRow(row, station, figures, overview);
      row.stamp = stamp;
      if (row.element === place) place = place.nextSibling;
      else body.insertBefore(row.element, place);
    }
    if (focused !== document.activeElement && body.contains(focused)) focused.focus({ preventScroll: true });
  }

  return { render, update, levelName, noteOf, channelNames, isScaled, PARTS };
})();
