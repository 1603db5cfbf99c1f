"use strict";
/* The data: scripts that call `nexthour.take`, as a page that is opened as a file can load nothing else.
   `data/now.js` names the newest issue; the files of an issue never change, so that all that is shown fits together. */
nexthour.data = (() => {
  const FORMAT = 1;
  const WAIT_MS = 20000;
  const UNKNOWN_SCHEDULE_MS = 15 * 60000;
  const GRACE_MS = 5 * 60000;
  const HOUR_MS = 3600000;
  const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const VALUE = new Map([...DIGITS].map((digit, value) => [digit, value]));
  const received = new Map();

  const onlyData = (path) => {
    if (!/^data\/[\w.-]+\.js(\?\d+)?$/.test(path)) throw new TypeError(`${path} is no data of this board`);
    return path;
  };
  const policy = globalThis.trustedTypes?.createPolicy("board", { createScriptURL: onlyData });
  const trusted = (path) => policy?.createScriptURL(path) ?? onlyData(path);

  nexthour.take = (key, document) => received.set(key, document);

  /** The document of a data file; rejects where it cannot be loaded in time. */
  function load(path, key) {
    return new Promise((resolve, reject) => {
      const script = nexthour.h("script");
      const end = (finish, value) => {
        clearTimeout(timer);
        script.remove();
        received.delete(key);
        finish(value);
      };
      const timer = setTimeout(() => end(reject, new Error(`${path} does not come`)), WAIT_MS);
      script.onload = () => {
        const document = received.get(key);
        if (document === undefined) end(reject, new Error(`${path} is damaged`));
        else end(resolve, document);
      };
      script.onerror = () => end(reject, new Error(`${path} cannot be loaded`));
      script.src = trusted(path);
      document.head.append(script);
    });
  }

  /** The reverse of `pack` in packing.py: numbers from 0 to `top`, null where a value is missing. */
  function unpack(text, top, digits) {
    const steps = 64 ** digits - 2;
    const values = [];
    for (let i = 0; i < text.length; i += digits) {
      let value = 0;
      for (let k = 0; k < digits; k += 1) value = value * 64 + VALUE.get(text[i + k]);
      values.push(value > steps ? null : (value / steps) * top);
    }
    return values;
  }

  /** A series of a detail file on all bins of its day. */
  function spread(series, [first, text], bins) {
    const values = unpack(text, series.top, 2);
    return Array.from({ length: bins }, (_, i) => values[i - first] ?? null);
  }

  /** Stations of an overview as one object each. */
  function stationsOf(overview) {
    const facts = Object.entries(overview.stations);
    return overview.stations.id.map((id, index) => ({
      index,
      ...Object.fromEntries(facts.map(([name, values]) => [name, values[index]])),
      label: overview.stations.name?.[index] ?? id,
    }));
  }

  /** What is forecast for a station and target: figures by name, and how surprising they are. */
  function figuresOf(overview, target, index) {
    const figures = {};
    for (const [name, values] of Object.entries(overview.values[target])) figures[name] = values[index];
    figures.level_name = figures.level === null ? null : overview.level_names[figures.level - 1];
    figures.alert = overview.alerts.find((each) => each.target === target && each.station_id === overview.stations.id[index]) ?? null;
    const known = figures.hour !== null && figures.usual !== null;
    figures.difference = known ? figures.hour - figures.usual : null;
    figures.share = known && figures.usual > 0 ? figures.difference / figures.usual : null;
    figures.surprise = known ? Math.abs(figures.difference) / Math.sqrt(figures.usual + 10) : -1;
    return figures;
  }

  /** How fresh an issue is at a moment: due, late, or its hour already over. */
  function freshness(now, at) {
    const issued = Date.parse(now.issued_at);
    const due = now.next_issue_at ? Date.parse(now.next_issue_at) : null;
    const patience = due === null ? UNKNOWN_SCHEDULE_MS : due - issued + Math.max(due - issued, GRACE_MS);
    const end = Date.parse(now.origin_utc) + HOUR_MS;
    return { issued, due, end, old: at > issued + patience, over: at > end, ahead: issued > at + 120000 };
  }

  /** The newest issue, and its overview where that is another than `held`. */
  async function newest(held) {
    const now = await load(`data/now.js?${Date.now()}`, "now");
    if (now.format !== FORMAT) return { now, overview: null };
    if (held && held.issue === now.issue) return { now, overview: held };
    const overview = await load(`data/${now.issue}.overview.js`, "overview");
    return { now, overview: { ...overview, issue: now.issue, list: stationsOf(overview) } };
  }

  /** The part of a detail file that is about one station: the day, or yesterday (`past`). */
  async function details(name, kind, overview, station) {
    const number = Math.floor(station.index / overview.chunk);
    const part = await load(`data/${name}.${kind}-${number}.js`, `${kind}-${number}`);
    const place = part.stations.indexOf(station.id);
    if (place < 0) return null;
    return { ...part, values: Object.fromEntries(Object.entries(part.values).map(([target, of]) => [target, of[place]])) };
  }

  return { FORMAT, newest, details, unpack, spread, figuresOf, freshness };
})();
