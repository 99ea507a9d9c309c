// The page's side of feed.py: it keeps rows in order, asks for earlier rows, and detects gaps.
function connectFeed(model, { limit, changed, cleared }) {
  const rows = new Map();
  let seen = null;

  const put = (row) => {
    rows.set(row.id, row);
    while (rows.size > limit) {
      const oldest = rows.keys().next().value;
      rows.delete(oldest);
      changed(oldest, null);
    }
    if (rows.has(row.id)) changed(row.id, row);
  };

  const receive = (message) => {
    if (message.type === "all") {
      rows.clear();
      cleared();
      seen = message.seq;
      for (const row of message.rows) put(row);
    } else if (message.type === "rows") {
      if (seen === null) return; // the backlog is on its way and holds this
      if (message.seq <= seen) return;
      if (message.seq > seen + 1) {
        seen = null;
        model.send({ type: "hello" });
        return;
      }
      seen = message.seq;
      for (const id of message.gone) if (rows.delete(id)) changed(id, null);
      for (const row of message.rows) put(row);
    }
  };

  model.on("msg:custom", receive);
  model.send({ type: "hello" });
  return { rows, close: () => model.off("msg:custom", receive) };
}

// Makes an element with a class, text and attributes. Text is never parsed as HTML.
function element(name, className = "", text = null, attributes = {}) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== null) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// Formats seconds of a conversation as 1:05.3.
function clockTime(seconds) {
  if (!(seconds >= 0)) return "";
  const tenths = Math.round(seconds * 10);
  const rest = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
  return `${Math.floor(tenths / 600)}:${rest}`;
}
