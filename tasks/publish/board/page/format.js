"use strict";
/* Words, numbers and times. Times are those of the network's time zone, whatever the clock of the device shows. */
nexthour.format = (() => {
  const { texts } = nexthour;
  let language = "en";
  let region = "en"; // the language as the browser's reader writes it, such as en-GB
  let timeZone = "UTC";
  let made = {};

  /** Formatters are slow to make, so each is made once per language and zone. */
  function formatter(kind, options, Type) {
    return (made[kind] ??= new Type(region, options));
  }

  function use(wantedLanguage, zone) {
    if (wantedLanguage === language && zone === timeZone) return;
    [language, timeZone, made] = [wantedLanguage, zone, {}];
    region = navigator.languages.find((each) => each.split("-")[0] === language) ?? language;
  }

  /** The language that the address, the reader, the settings or the browser asks for, in this order. */
  function choose(...wishes) {
    const known = wishes.map((wish) => String(wish ?? "").slice(0, 2).toLowerCase());
    return known.find((wish) => Object.hasOwn(texts, wish)) ?? "en";
  }

  const put = (text, values) => text.replace(/\{(\w+)\}/g, (hole, name) => values[name] ?? hole);

  function t(key, values = {}) {
    return put(texts[language][key] ?? texts.en[key] ?? key, values);
  }

  /** A text whose words depend on a number. */
  function plural(key, count, values = {}) {
    const form = formatter("plural", {}, Intl.PluralRules).select(count);
    return t(`${key}_${form === "one" ? "one" : "other"}`, { count: number(count), ...values });
  }

  function number(value, digits) {
    if (value === null || value === undefined || !Number.isFinite(value)) return "–";
    const most = digits ?? (Math.abs(value) < 10 ? 1 : 0);
    return formatter(`number${most}`, { maximumFractionDigits: most }, Intl.NumberFormat).format(value);
  }

  function factor(value) {
    const two = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
    return formatter("factor", two, Intl.NumberFormat).format(value);
  }

  /** A share as per cent; `signed` for a difference. */
  function percent(share, signed = false) {
    if (share === null || !Number.isFinite(share)) return "–";
    const options = { style: "percent", maximumFractionDigits: 0, signDisplay: signed ? "exceptZero" : "auto" };
    return formatter(`percent${signed}`, options, Intl.NumberFormat).format(share);
  }

  function signed(value) {
    const options = { maximumFractionDigits: Math.abs(value) < 10 ? 1 : 0, signDisplay: "exceptZero" };
    return formatter(`signed${options.maximumFractionDigits}`, options, Intl.NumberFormat).format(value);
  }

  const dates = (kind, options) => formatter(kind, { timeZone, ...options }, Intl.DateTimeFormat);
  const time = (ms) => dates("time", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(ms);
  const clock = (ms) => dates("clock", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).format(ms);
  const weekday = (ms) => dates("weekday", { weekday: "long" }).format(ms);
  const day = (ms) => dates("day", { weekday: "long", day: "numeric", month: "long", year: "numeric" }).format(ms);
  const shortDay = (ms) => dates("short", { day: "numeric", month: "short", year: "numeric" }).format(ms);
  const sameDay = (a, b) => shortDay(a) === shortDay(b);

  /** "16:30", or with the day where that is not today. */
  function moment(ms) {
    return sameDay(ms, Date.now()) ? time(ms) : `${shortDay(ms)}, ${time(ms)}`;
  }

  /** "3 days ago", in the largest unit that is at least one. */
  function ago(ms) {
    const minutes = Math.max(0, (Date.now() - ms) / 60000);
    const [unit, size] = minutes < 90 ? ["minute", 1] : minutes < 2160 ? ["hour", 60] : ["day", 1440];
    const options = { numeric: "always" };
    return formatter("ago", options, Intl.RelativeTimeFormat).format(-Math.round(minutes / size), unit);
  }

  /** "15 minutes". */
  function minutes(count) {
    const long = count % 60 === 0 ? { unit: "hour", value: count / 60 } : { unit: "minute", value: count };
    const options = { style: "unit", unit: long.unit, unitDisplay: "long" };
    return formatter(`unit${long.unit}`, options, Intl.NumberFormat).format(long.value);
  }

  const list = (parts) => formatter("list", { type: "conjunction" }, Intl.ListFormat).format(parts);
  const order = () => formatter("order", { numeric: true, sensitivity: "base" }, Intl.Collator).compare;
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

  /** What people call a target or a level; what is in no dictionary is its own name. */
  const known = (names, name) => (Object.hasOwn(names, name) ? names[name] : name);
  const target = (name) => known(texts[language].target_name, name);
  const level = (name) => known(texts[language].level_name, name);

  return {
    use, choose, t, plural, number, factor, percent, signed, time, clock, weekday, day, moment, ago, minutes, list,
    order, plain, target, level, language: () => language, hour: (ms) => Number(time(ms).slice(0, 2)),
  };
})();
