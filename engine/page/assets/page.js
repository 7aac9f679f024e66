"use strict";
// Everything shown here comes from models and is not to be trusted: it becomes text nodes only, never markup.
(() => {
  const $ = (id) => document.getElementById(id);
  const ROW = 46, MOST_LINES = 1500;
  const GLYPHS = { passed: "✓", wrong_answer: "✗", compile_error: "⚠", runtime_error: "!", timeout: "◷", memory_limit: "▣",
    output_limit: "▤", forbidden: "⊘", sandbox_error: "?", generation_error: "?", missing: "…" };
  const OURS = new Set(["sandbox_error", "generation_error", "missing"]);
  const make = (tag, attributes, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name === "class") node.className = value; else node.setAttribute(name, value);
    }
    for (const child of children) if (child !== null && child !== undefined && child !== "") node.append(child);
    return node;
  };

  // Light and dark: what the system says, until the button is used. Storage is not there in sandboxed frames.
  const root = document.documentElement, toggle = $("theme");
  const recall = () => { try { return localStorage.getItem("codeassay-theme"); } catch { return null; } };
  const keep = (value) => { try { localStorage.setItem("codeassay-theme", value); } catch { /* not kept, then */ } };
  const system = () => (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  const setTheme = (theme) => {
    root.dataset.theme = theme;
    toggle.textContent = theme === "dark" ? "Light" : "Dark";
    toggle.setAttribute("aria-label", `Switch to ${theme === "dark" ? "light" : "dark"} colours`);
  };
  toggle.hidden = false;
  setTheme(recall() || system());
  toggle.addEventListener("click", () => { const next = root.dataset.theme === "dark" ? "light" : "dark"; keep(next); setTheme(next); });

  let data, shown = [], current = null, picked = {}, diffing = true;
  const text = (number) => (number === undefined || number === null ? "" : data.texts[number]);
  const label = (status) => `${GLYPHS[status] || "·"} ${status.replaceAll("_", " ")}`;
  const kind = (status) => (status === "passed" ? "pass" : OURS.has(status) ? "ours" : "fail");

  async function unpack() {
    const bytes = Uint8Array.from(atob($("data").textContent.trim()), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }

  function options(select, entries) {
    select.replaceChildren(...entries.map(([value, name]) => { const option = make("option", {}, name); option.value = value; return option; }));
    select.parentElement.hidden = entries.length < 2;
  }

  function setUp() {
    const several = data.runs.length > 1;
    const runs = data.runs.map((run, index) => [String(index), run.name]);
    options($("benchmark"), [["", "all"], ...[...new Set(data.problems.map((p) => p.benchmark))].map((b) => [b, b])]);
    if ($("benchmark").options.length === 2) $("benchmark").parentElement.hidden = true;
    const statuses = data.statuses.filter((s) => data.problems.some((p) => p.runs.some((r) => r && s in r.statuses)));
    options($("status"), [["", "any"], ...statuses.map((s) => [s, label(s)])]);
    const tags = [...new Set(data.problems.flatMap((p) => p.tags))].sort();
    options($("tag"), tags.length ? [["", "any"], ...tags.map((t) => [t, t])] : []);
    options($("flip"), several ? [["", "any"], ["won", "won by the right"], ["lost", "lost by the right"], ["changed", "any difference"]] : []);
    for (const side of ["left", "right"]) options($(side), several ? runs : []);
    const last = data.runs.length - 1;
    $("left").value = String(Math.max(0, last - 1));
    $("right").value = String(last);
  }

  const sides = () => {
    if (data.runs.length < 2) return [0];
    const both = [Number($("left").value), Number($("right").value)];
    return both[0] === both[1] ? [both[0]] : both;
  };

  function flips(problem) {
    const [left, right] = sides().map((index) => problem.runs[index]);
    if (!left || !right || typeof left.value !== "number" || typeof right.value !== "number") return "";
    // As everywhere: won and lost are problems whose value crosses one half.
    if (left.value < 0.5 && right.value >= 0.5) return "won";
    if (right.value < 0.5 && left.value >= 0.5) return "lost";
    return left.value === right.value ? "" : "moved";
  }

  function matches(problem, words) {
    const chosen = sides().map((index) => problem.runs[index]).filter(Boolean);
    if ($("benchmark").value && problem.benchmark !== $("benchmark").value) return false;
    if ($("tag").value && !problem.tags.includes($("tag").value)) return false;
    if ($("status").value && !chosen.some((run) => $("status").value in run.statuses)) return false;
    const change = $("flip").value;
    if (change && (change === "changed" ? !flips(problem) : flips(problem) !== change)) return false;
    if (!words.length) return true;
    problem.words ||= [problem.task, problem.benchmark, ...problem.tags, text(problem.prompt),
      ...problem.runs.filter(Boolean).flatMap((run) => run.samples.flatMap((s) => [s.completion, s.program, s.error, s.stdout_tail, s.stderr_tail].map(text)))]
      .join("\n").toLowerCase();
    return words.every((word) => problem.words.includes(word));
  }

  function refilter(keepCurrent) {
    const words = $("query").value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = data.problems.filter((problem) => matches(problem, words));
    $("found").textContent = `${shown.length.toLocaleString("en")} of ${data.problems.length.toLocaleString("en")} problems`;
    $("space").style.height = `${shown.length * ROW}px`;
    if (!keepCurrent || !shown.includes(current)) { $("list").scrollTop = 0; current = shown[0] || null; picked = {}; }
    drawList();
    drawDetail();
    remember();
  }

  function summary(run) {
    if (!run) return "not asked";
    const total = Object.values(run.statuses).reduce((a, b) => a + b, 0);
    if (total === 1) return label(Object.keys(run.statuses)[0]);
    return `${GLYPHS.passed} ${run.statuses.passed || 0} of ${total}`;
  }

  function drawList() {
    const list = $("list"), first = Math.max(0, Math.floor(list.scrollTop / ROW) - 5);
    const last = Math.min(shown.length, first + Math.ceil(list.clientHeight / ROW) + 12);
    const rows = [];
    for (let index = first; index < last; index += 1) {
      const problem = shown[index];
      const row = make("div", { class: "row", role: "option", id: `row-${index}`, "aria-selected": String(problem === current),
        "aria-setsize": String(shown.length), "aria-posinset": String(index + 1) },
        make("b", {}, problem.task), ...sides().map((side) => make("span", {}, summary(problem.runs[side]))));
      row.style.top = `${index * ROW}px`;
      row.addEventListener("click", () => choose(index, false));
      rows.push(row);
    }
    $("space").replaceChildren(...rows);
    const at = shown.indexOf(current);
    if (at >= first && at < last) list.setAttribute("aria-activedescendant", `row-${at}`); else list.removeAttribute("aria-activedescendant");
  }

  function choose(index, scroll) {
    if (!shown.length) return;
    const at = Math.min(shown.length - 1, Math.max(0, index)), list = $("list");
    current = shown[at];
    picked = {};
    if (scroll) {
      const top = at * ROW;
      if (top < list.scrollTop) list.scrollTop = top;
      if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
    }
    drawList();
    drawDetail();
    remember();
  }

  const block = (title, value, open) => {
    if (!value) return null;
    const body = make("pre", { tabindex: "0" }, value);
    if (open) return make("div", {}, make("h4", {}, title), body);
    return make("details", {}, make("summary", {}, title), body);
  };

  function facts(sample) {
    const parts = [];
    if (sample.tests_passed) parts.push(`${sample.tests_passed.filter(Boolean).length} of ${sample.tests_passed.length} tests passed`);
    if (sample.completion_tokens !== undefined) parts.push(`${sample.completion_tokens} tokens`);
    if (sample.generation_seconds !== undefined) parts.push(`generated in ${sample.generation_seconds.toPrecision(2)} s`);
    if (sample.cpu_seconds !== undefined) parts.push(`${sample.cpu_seconds.toPrecision(2)} s of CPU`);
    if (sample.finish_reason) parts.push(`ended by ${sample.finish_reason}`);
    if (sample.judge) parts.push(`judged ${sample.judge}`);
    return parts.join(" · ");
  }

  function panel(index) {
    const run = current.runs[index], name = make("h3", {}, data.runs[index].name);
    if (!run) return make("div", { class: "panel" }, name, make("p", { class: "muted" }, "was not asked this problem"));
    const counts = Object.entries(run.statuses).map(([status, count]) => `${label(status)} ${count}`).join(", ");
    const chips = make("div", { class: "chips", role: "group", "aria-label": `Samples of ${data.runs[index].name}` });
    run.samples.forEach((sample, position) => {
      const chip = make("button", { type: "button", class: kind(sample.status), "aria-pressed": String(position === (picked[index] || 0)) },
        `${label(sample.status)}${sample.count > 1 ? ` ×${sample.count}` : ""}`);
      chip.addEventListener("click", () => { picked[index] = position; drawDetail(); });
      chips.append(chip);
    });
    const sample = run.samples[picked[index] || 0];
    if (!sample) return make("div", { class: "panel" }, name, make("p", { class: "muted" }, `${counts}; the texts are in samples/`));
    const program = text(sample.program), completion = text(sample.completion);
    return make("div", { class: "panel" }, name, make("p", { class: "small muted" }, counts), chips,
      make("p", { class: "small muted" }, facts(sample)),
      block("program", program, true), block("completion", completion, !program),
      block("error", text(sample.error), true), block("end of standard output", text(sample.stdout_tail), true),
      block("end of standard error", text(sample.stderr_tail), true));
  }

  // Longest common subsequence of lines; texts are short, longer ones are cut.
  function difference(before, after) {
    const [a, b] = [before, after].map((whole) => whole.replace(/\n$/, "").split("\n").slice(0, MOST_LINES));
    const width = b.length + 1, table = new Uint16Array((a.length + 1) * width);
    for (let i = a.length - 1; i >= 0; i -= 1) for (let j = b.length - 1; j >= 0; j -= 1) {
      table[i * width + j] = a[i] === b[j] ? table[(i + 1) * width + j + 1] + 1 : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
    }
    const lines = [];
    let i = 0, j = 0;
    while (i < a.length || j < b.length) {
      if (i < a.length && j < b.length && a[i] === b[j]) { lines.push([" ", a[i]]); i += 1; j += 1; }
      else if (j >= b.length || (i < a.length && table[(i + 1) * width + j] >= table[i * width + j + 1])) { lines.push(["-", a[i]]); i += 1; }
      else { lines.push(["+", b[j]]); j += 1; }
    }
    return lines;
  }

  function drawDifference() {
    const both = sides();
    if (both.length < 2) return null;
    const samples = both.map((index) => current.runs[index] && current.runs[index].samples[picked[index] || 0]);
    if (!samples[0] || !samples[1]) return null;
    const [before, after] = samples.map((sample) => text(sample.program) || text(sample.completion));
    const names = both.map((index) => data.runs[index].name);
    const box = make("details", { class: "panel" }, make("summary", {}, before === after ? "Both programs are the same" : "Difference between the two programs"));
    box.open = diffing && before !== after;
    box.addEventListener("toggle", () => { if (before !== after) diffing = box.open; });
    if (before === after) return box;
    const body = make("pre", { class: "diff", tabindex: "0", "aria-label": `${names[0]} to ${names[1]}` });
    for (const [sign, line] of difference(before, after)) body.append(make("div", { class: sign === "+" ? "add" : sign === "-" ? "del" : "" }, `${sign} ${line}`));
    box.append(make("p", { class: "small muted" }, `- ${names[0]}`, make("br"), `+ ${names[1]}`), body);
    return box;
  }

  function drawDetail() {
    const detail = $("detail");
    if (!current) { detail.replaceChildren(make("p", { class: "muted" }, "No problem fits.")); return; }
    const tags = current.tags.flatMap((tag) => [make("span", { class: "tag" }, tag), " "]);
    const parts = [make("div", { class: "panel" }, make("h3", {}, current.task, " ", make("span", { class: "muted" }, current.benchmark), " ", ...tags),
      current.prompt === null ? make("p", { class: "muted" }, "The run did not keep its prompts.") : block("prompt", text(current.prompt), true)),
      make("div", { class: "sides" }, ...sides().map(panel)), drawDifference()];
    detail.replaceChildren(...parts.filter(Boolean));
  }

  // The state is in the address, so that a problem can be linked to.
  function remember() {
    const state = new URLSearchParams();
    for (const id of ["query", "benchmark", "status", "tag", "flip", "left", "right"]) if ($(id).value) state.set(id, $(id).value);
    if (current) { state.set("task", current.task); state.set("of", current.benchmark); }
    try { history.replaceState(null, "", `#browse?${state}`); } catch { /* sandboxed frames have no history */ }
  }

  function recallState() {
    const [, query] = location.hash.split("browse?");
    if (query === undefined) return false;
    const state = new URLSearchParams(query);
    for (const id of ["query", "benchmark", "status", "tag", "flip", "left", "right"]) if (state.has(id)) $(id).value = state.get(id);
    current = data.problems.find((p) => p.task === state.get("task") && p.benchmark === state.get("of")) || null;
    return true;
  }

  function keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName);
    if (event.key === "Escape" && typing) { $("list").focus(); return; }
    if (typing) return;
    const at = shown.indexOf(current), inList = event.target === $("list");
    const moves = { j: 1, k: -1, ...(inList ? { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -shown.length, End: shown.length } : {}) };
    if (event.key in moves) { event.preventDefault(); choose(at + moves[event.key], true); }
    else if (event.key === "/") { event.preventDefault(); $("query").focus(); }
    else if (event.key === "d" && current) { diffing = !diffing; drawDetail(); }
  }

  unpack().then((found) => {
    data = found;
    setUp();
    const linked = recallState();
    $("app").hidden = false;
    const hash = location.hash;
    refilter(true);
    if (!linked) { try { history.replaceState(null, "", hash || location.pathname + location.search); } catch { /* as above */ } }
    if (linked) { choose(shown.indexOf(current), true); $("browser").scrollIntoView(); }
    $("list").addEventListener("scroll", drawList, { passive: true });
    $("filters").addEventListener("input", () => refilter(true));
    $("filters").addEventListener("submit", (event) => event.preventDefault());
    document.addEventListener("keydown", keys);
  }).catch((error) => {
    $("browser").append(make("p", { class: "note weak" }, `The problem browser cannot be shown: ${error.message}`));
  });
})();
