const LIMIT = 50;
const SVG = "http://www.w3.org/2000/svg";
const ROW = 22;
const LEFT = 150;
const RIGHT = 76;
const TOP = 18;

function shape(name, attributes, text = null) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  return made;
}

const milliseconds = (seconds) => `${Math.round(seconds * 1000)} ms`;

function total(row) {
  const sum = row.parts.reduce((all, [, , value]) => all + Math.max(0, value), 0);
  return Math.max(row.e2e ?? 0, sum);
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// Returns 1, 2 or 5 times a power of ten, so that there are at most six ticks.
function tickStep(span) {
  const power = 10 ** Math.floor(Math.log10(span / 6));
  return [1, 2, 5, 10].map((n) => n * power).find((step) => span / step <= 6);
}

function describe(row) {
  const parts = row.parts.map(([, label, value]) => `${label} ${milliseconds(value)}`).join(", ");
  const whole = row.e2e === null ? "end to end unknown" : `end to end ${milliseconds(row.e2e)}`;
  return `${row.name} at ${clockTime(row.t)}: ${whole}${row.cancelled ? ", cancelled" : ""}. ${parts}`;
}

function fillTip(tip, row) {
  tip.replaceChildren();
  tip.append(element("b", "", `${row.name}, ${clockTime(row.t)}`));
  if (row.question) tip.append(element("div", "vb-tip-question", `after “${row.question}”`));
  const table = element("table");
  for (const [key, label, value] of row.parts) {
    const line = element("tr");
    const name = element("td");
    name.append(element("i", `vb-swatch vb-part-${key}`), label);
    line.append(name, element("td", "vb-number", milliseconds(value)));
    table.append(line);
  }
  const last = element("tr", "vb-tip-total");
  const whole = row.e2e === null ? "not measured" : milliseconds(row.e2e);
  last.append(element("td", "", "end to end"), element("td", "vb-number", whole));
  table.append(last);
  tip.append(table);
  if (row.cancelled) tip.append(element("div", "vb-flag", "Cancelled before it was heard; not in the median."));
}

function render({ model, el }) {
  const root = element("section", "vb vb-latency", null, { "aria-label": "Latency of each turn" });
  const title = element("div", "vb-title", "Latency");
  const summary = element("small", "", "", { "aria-live": "off" });
  title.append(summary);
  const empty = element("div", "vb-empty", "Each answer of an agent becomes a bar here: last word heard to first sound sent.");
  const scroll = element("div", "vb-bars");
  const legend = element("div", "vb-legend");
  const tip = element("div", "vb-tip", null, { role: "tooltip" });
  tip.hidden = true;
  root.append(title, empty, scroll, legend, tip);
  el.append(root);

  let feed = null;
  let drawing = false;

  const show = (row, target) => {
    fillTip(tip, row);
    tip.hidden = false;
    const box = root.getBoundingClientRect();
    const at = target.getBoundingClientRect();
    // above the bar if there is no room below, because the notebook clips the bottom of the output
    const below = at.bottom - box.top + 4;
    const above = at.top - box.top - tip.offsetHeight - 4;
    tip.style.top = `${below + tip.offsetHeight <= box.height ? below : above}px`;
    tip.style.left = `${Math.max(4, Math.min(LEFT, box.width - tip.offsetWidth - 4))}px`;
  };
  const hide = () => {
    tip.hidden = true;
  };

  const drawRow = (svg, row, y, scale) => {
    const group = shape("g", {
      class: `vb-turn${row.cancelled ? " vb-cancelled" : ""}`,
      tabindex: "0",
      role: "img",
      "aria-label": describe(row),
    });
    group.append(shape("rect", { class: "vb-hit", x: 0, y, width: "100%", height: ROW }));
    const name = shape("text", { class: `vb-label vb-c${row.colour}`, x: 8, y: y + 15 });
    const label = `${row.name} ${clockTime(row.t)}`;
    name.textContent = label.length > 22 ? `${row.name.slice(0, 13)}… ${clockTime(row.t)}` : label;
    group.append(name);
    let x = LEFT;
    for (const [key, , value] of row.parts) {
      const width = Math.max(0, value) * scale;
      if (width <= 0) continue;
      group.append(shape("rect", { class: `vb-part vb-part-${key}`, x, y: y + 4, width: Math.max(width, 0.5), height: ROW - 8 }));
      x += width;
    }
    const end = LEFT + total(row) * scale + 6;
    const text = row.e2e === null ? "" : milliseconds(row.e2e);
    group.append(shape("text", { class: "vb-sum", x: end, y: y + 15 }, row.cancelled ? `${text} ✕` : text));
    group.addEventListener("pointerenter", () => show(row, group));
    group.addEventListener("pointerleave", hide);
    group.addEventListener("focus", () => show(row, group));
    group.addEventListener("blur", hide);
    svg.append(group);
  };

  const draw = () => {
    drawing = false;
    const rows = feed ? [...feed.rows.values()].reverse() : []; // the newest on top
    empty.hidden = rows.length > 0;
    if (rows.length === 0) {
      scroll.replaceChildren();
      legend.replaceChildren();
      summary.textContent = "";
      return;
    }
    const width = Math.max(360, scroll.clientWidth || 640);
    const span = Math.max(...rows.map(total), 0.1);
    const scale = (width - LEFT - RIGHT) / span;
    const height = TOP + rows.length * ROW + 4;
    const svg = shape("svg", { width, height, role: "group", "aria-label": "Turns, newest first" });
    const step = tickStep(span);
    for (let tick = 0; tick <= span + 1e-9; tick += step) {
      const x = LEFT + tick * scale;
      svg.append(shape("line", { class: "vb-grid", x1: x, x2: x, y1: TOP - 3, y2: height }));
      const text = step < 1 ? `${Math.round(tick * 1000)} ms` : `${tick} s`;
      svg.append(shape("text", { class: "vb-tick", x, y: 11 }, text));
    }
    rows.forEach((row, index) => drawRow(svg, row, TOP + index * ROW, scale));
    scroll.replaceChildren(svg);

    const used = new Map(rows.flatMap((row) => row.parts.map(([key, label]) => [key, label])));
    const order = ["end_of_turn_delay", "transcription_delay", "on_user_turn_completed_delay", "llm_node_ttft",
      "llm_node_ttfs", "tts_node_ttfb", "playback_latency", "unaccounted"];
    legend.replaceChildren(
      ...order.filter((key) => used.has(key)).map((key) => {
        const item = element("span", "");
        item.append(element("i", `vb-swatch vb-part-${key}`), used.get(key));
        return item;
      }),
    );
    const whole = rows.filter((row) => !row.cancelled && row.e2e !== null).map((row) => row.e2e);
    const cancelled = rows.filter((row) => row.cancelled).length;
    const middle = whole.length ? `median ${milliseconds(median(whole))} of ${whole.length}` : "no complete turn yet";
    summary.textContent = cancelled ? `${middle}, ${cancelled} cancelled` : middle;
  };
  const later = () => {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(draw);
  };

  feed = connectFeed(model, { limit: LIMIT, changed: later, cleared: later });
  const resized = new ResizeObserver(later);
  resized.observe(scroll);
  return () => {
    resized.disconnect();
    feed.close();
  };
}

export default { render };
