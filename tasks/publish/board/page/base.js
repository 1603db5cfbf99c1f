"use strict";
/* One global name. Every text gets into the page by textContent, so that no name of a station is ever markup. */
globalThis.nexthour = (() => {
  const SVG = "http://www.w3.org/2000/svg";

  /** Set attributes and add children: strings become text nodes, what is null or false is left out. */
  function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes ?? {})) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
    return element;
  }

  const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
  const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

  /** Change a text only where it differs, so that nothing is announced or repainted for nothing. */
  function write(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function setClass(element, names) {
    if (element.getAttribute("class") !== names) element.setAttribute("class", names);
  }

  return { texts: {}, h, svg, write, setClass };
})();
