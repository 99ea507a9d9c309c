const LIMIT = 500;

function fill(line, row) {
  line.className = `vb-line vb-${row.kind} vb-c${row.colour}`;
  line.classList.toggle("vb-interim", !row.final);
  line.dataset.participant = row.participant_id;
  line.dataset.final = String(row.final);
  const time = element("time", "vb-time", clockTime(row.t));
  const body = element("span", "vb-body");
  if (row.kind !== "note") body.append(element("b", "vb-name", row.name), " ");
  body.append(element("span", "vb-text", row.text));
  if (row.interrupted) {
    if (row.unheard) body.append(" ", element("s", "vb-unheard", row.unheard, { title: "planned, never heard" }));
    body.append(" ", element("span", "vb-cut", "interrupted"));
  }
  if (row.end) line.title = `${row.t.toFixed(2)} s to ${row.end.toFixed(2)} s`;
  line.replaceChildren(time, body);
}

function render({ model, el }) {
  const root = element("section", "vb vb-transcript", null, { "aria-label": "Transcript" });
  const title = element("div", "vb-title", "Transcript");
  const list = element("div", "vb-lines", null, { role: "log", tabindex: "0", "aria-label": "Transcript lines" });
  const empty = element("div", "vb-empty", "Nothing has been said yet. Open the lobby and speak, or run wb.say(...).");
  const newest = element("button", "vb-newest", "↓ newest", { type: "button" });
  newest.hidden = true;
  root.append(title, empty, list, newest);
  el.append(root);

  const lines = new Map();
  let following = true;
  const follow = () => {
    if (following) list.scrollTop = list.scrollHeight;
    newest.hidden = following;
  };
  list.addEventListener("scroll", () => {
    following = list.scrollHeight - list.scrollTop - list.clientHeight < 24;
    newest.hidden = following;
  });
  newest.addEventListener("click", () => {
    following = true;
    follow();
  });

  const feed = connectFeed(model, {
    limit: LIMIT,
    cleared: () => {
      lines.clear();
      list.replaceChildren();
    },
    changed: (id, row) => {
      let line = lines.get(id);
      if (row === null) {
        line?.remove();
        lines.delete(id);
      } else {
        if (!line) {
          line = element("div");
          lines.set(id, line);
          list.append(line);
        }
        fill(line, row);
      }
      empty.hidden = lines.size > 0;
      follow();
    },
  });
  return () => feed.close();
}

export default { render };
