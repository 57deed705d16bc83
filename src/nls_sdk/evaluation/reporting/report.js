"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const LINE = 0, QUESTION = 1, EXPECTED = 2, MODEL = 3, BASELINE = 4, VERDICT = 5, WAYS = 6, DIFF = 7,
    MADE_UP = 8, UNDETERMINED = 9, METADATA = 10;
  const TEXT = 0, RIGHT = 1, MS = 2, ERROR = 3;
  const PAGE = 50;
  const GOOD = ["tie", "fine-tuned better", "right"], BAD = ["baseline better", "wrong", "failed"];
  const $ = (id) => document.getElementById(id);
  const make = (name, className, ...children) => {
    const node = document.createElement(name);
    if (className) node.className = className;
    node.append(...children);
    return node;
  };
  const state = { page: 0, sort: 0, down: false, found: [] };
  const haystack = data.rows.map((row) =>
    [row[QUESTION], row[EXPECTED], row[MODEL][TEXT], row[BASELINE] ? row[BASELINE][TEXT] : ""].join("\n").toLowerCase());
  const keys = [
    (row) => row[LINE],
    (row) => row[QUESTION],
    (row) => row[MODEL][TEXT],
    (row) => row[VERDICT] + (row[WAYS].length ? data.classes[row[WAYS][0]] : ""),
    (row) => (row[MODEL][MS] === null ? Infinity : row[MODEL][MS]),
  ];

  // A query with its filters marked; everything goes in as text.
  const query = (text) => {
    const box = make("span", "q");
    const pattern = /(^|[\s(])(-?[a-z]+:)("(?:\\.|[^"\\])*"|[^\s)]*)|\b(AND|OR|NOT)\b/gi;
    let end = 0, found;
    while ((found = pattern.exec(text))) {
      if (found[4]) {
        box.append(text.slice(end, found.index), make("i", "", found[4]));
      } else {
        box.append(text.slice(end, found.index) + found[1], make("b", "", found[2]), found[3]);
      }
      end = pattern.lastIndex;
      if (found[0] === "") pattern.lastIndex += 1;
    }
    box.append(text.slice(end));
    return box;
  };

  const badge = (row) => {
    const kind = GOOD.includes(row[VERDICT]) ? "good" : BAD.includes(row[VERDICT]) ? "bad" : "";
    return make("span", "badge " + kind, row[VERDICT]);
  };

  const answer = (one) => (one[ERROR] ? make("span", "q", "no answer: " + one[ERROR]) : query(one[TEXT] || "(empty)"));

  const detail = (row, id) => {
    const list = make("dl");
    const entry = (name, ...nodes) => list.append(make("dt", "", name), make("dd", "", ...nodes));
    const mark = (one) => (one[RIGHT] === null ? "" : one[RIGHT] ? "  ✓ right" : "  ✗ wrong");
    entry("Question", row[QUESTION]);
    entry("Expected", query(row[EXPECTED]));
    entry(data.titles[0], answer(row[MODEL]), mark(row[MODEL]));
    if (row[BASELINE]) entry(data.titles[1], answer(row[BASELINE]), mark(row[BASELINE]));
    if (row[WAYS].length) entry("Class", row[WAYS].map((way) => data.classes[way]).join(", "));
    if (row[DIFF]) {
      const box = make("div", "q");
      row[DIFF][0].forEach((part) => box.append(make("span", "same", "  " + part)));
      row[DIFF][1].forEach((part) => box.append(make("del", "", "- " + part)));
      row[DIFF][2].forEach((part) => box.append(make("ins", "", "+ " + part)));
      entry("Difference", box);
    }
    if (row[MADE_UP].length) entry("Not in the question, in the answer", query(row[MADE_UP].join("  ")));
    if (row[UNDETERMINED].length) entry("Not in the question, yet expected", query(row[UNDETERMINED].join("  ")));
    Object.entries(row[METADATA]).forEach(([name, value]) => entry(name, value));
    const cell = make("td", "", list);
    cell.colSpan = 5;
    const line = make("tr", "detail", cell);
    line.id = id;
    return line;
  };

  const show = () => {
    const body = $("rows"), pages = Math.max(1, Math.ceil(state.found.length / PAGE));
    state.page = Math.min(state.page, pages - 1);
    body.replaceChildren();
    state.found.slice(state.page * PAGE, (state.page + 1) * PAGE).forEach((place) => {
      const row = data.rows[place], id = "detail-" + place;
      const open = make("button", "open", row[QUESTION]);
      open.type = "button";
      open.setAttribute("aria-expanded", "false");
      open.setAttribute("aria-controls", id);
      const line = make("tr", "", make("td", "", String(row[LINE])), make("td", "", open),
        make("td", "", answer(row[MODEL])), make("td", "", badge(row)),
        make("td", "n", row[MODEL][MS] === null ? "–" : String(Math.round(row[MODEL][MS]))));
      open.addEventListener("click", () => {
        const shown = open.getAttribute("aria-expanded") === "true";
        open.setAttribute("aria-expanded", String(!shown));
        if (shown) $(id).remove(); else line.after(detail(row, id));
      });
      body.append(line);
    });
    $("count").textContent = state.found.length + " of " + data.rows.length + " examples";
    $("page").textContent = "Page " + (state.page + 1) + " of " + pages;
    $("before").disabled = state.page === 0;
    $("after").disabled = state.page >= pages - 1;
  };

  const find = () => {
    const words = $("search").value.toLowerCase(), verdict = $("by-verdict").value, way = $("by-class").value;
    const wanted = way === "" ? -1 : data.classes.indexOf(way);
    state.found = [];
    data.rows.forEach((row, place) => {
      if (words && !haystack[place].includes(words)) return;
      if (verdict && row[VERDICT] !== verdict) return;
      if (wanted >= 0 && !row[WAYS].includes(wanted)) return;
      state.found.push(place);
    });
    const key = keys[state.sort], sign = state.down ? -1 : 1;
    state.found.sort((a, b) => {
      const x = key(data.rows[a]), y = key(data.rows[b]);
      return x < y ? -sign : x > y ? sign : a - b;
    });
    state.page = 0;
    show();
  };

  const offer = (id, values) => [...new Set(values)].sort().forEach((value) => $(id).append(new Option(value, value)));
  offer("by-verdict", data.rows.map((row) => row[VERDICT]));
  offer("by-class", data.rows.flatMap((row) => row[WAYS].map((way) => data.classes[way])));

  let waiting;
  $("search").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(find, 60); });
  ["by-verdict", "by-class"].forEach((id) => $(id).addEventListener("change", find));
  document.querySelector(".tools").addEventListener("submit", (event) => event.preventDefault());
  $("before").addEventListener("click", () => { state.page -= 1; show(); });
  $("after").addEventListener("click", () => { state.page += 1; show(); });
  document.querySelectorAll("[data-sort]").forEach((button) => button.addEventListener("click", () => {
    const sort = Number(button.dataset.sort);
    state.down = state.sort === sort && !state.down;
    state.sort = sort;
    document.querySelectorAll("[aria-sort]").forEach((head) => head.removeAttribute("aria-sort"));
    button.closest("th").setAttribute("aria-sort", state.down ? "descending" : "ascending");
    find();
  }));
  document.querySelectorAll("[data-class]").forEach((button) => button.addEventListener("click", () => {
    $("by-class").value = button.dataset.class;
    find();
    $("examples").scrollIntoView();
    $("by-class").focus();
  }));
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      $("search").focus();
    }
  });
  find();
  document.documentElement.dataset.ready = "true";
})();
