"use strict";
/* What the address asks for, and choices of the reader that outlast it. */
nexthour.address = (() => {
  const KEY = "nexthour.board";
  const stored = memory();

  /** Choices of the reader, kept where the browser allows it. */
  function memory() {
    const held = new Map();
    try {
      for (const [name, value] of Object.entries(JSON.parse(localStorage.getItem(KEY)) ?? {})) held.set(name, value);
    } catch {
      // no storage, or not ours
    }
    const set = (name, value) => {
      held.set(name, value);
      try {
        localStorage.setItem(KEY, JSON.stringify(Object.fromEntries(held)));
      } catch {
        // it lasts as long as the page
      }
    };
    return { get: (name) => held.get(name), set };
  }

  const wishes = () => new URLSearchParams(location.hash.slice(1));
  const asked = (name) => wishes().get(name) ?? new URLSearchParams(location.search).get(name);

  /** The present address with some changes; null takes a wish back. */
  function address(changes) {
    const params = wishes();
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) params.delete(name);
      else params.set(name, value);
    }
    return `#${params.toString().replace(/=(?=&|$)/g, "")}`;
  }

  const stationLink = (id) => address({ station: id, wall: null });
  const homeLink = () => address({ station: null, wall: null }); // the list, or the map where that was shown

  return { stored, wishes, asked, address, stationLink, homeLink };
})();
