const LIMIT = 20;

function render({ model, el }) {
  const root = element("section", "vb-notices vb", null, { "aria-label": "Notices", "aria-live": "polite" });
  root.hidden = true;
  el.append(root);
  const shown = new Map();
  const feed = connectFeed(model, {
    limit: LIMIT,
    cleared: () => {
      shown.clear();
      root.replaceChildren();
      root.hidden = true;
    },
    changed: (id, row) => {
      shown.get(id)?.remove();
      shown.delete(id);
      if (row !== null) {
        const line = element("div", `vb-alert vb-alert-${row.level}`);
        const words = element("div", "vb-alert-words");
        words.append(element("div", "", row.count > 1 ? `${row.text} (${row.count}×)` : row.text));
        if (row.hint) words.append(element("div", "vb-hint", row.hint));
        const close = element("button", "", "Dismiss", { type: "button" });
        close.addEventListener("click", () => model.send({ type: "dismiss", id }));
        line.append(words, close);
        shown.set(id, line);
        root.append(line);
      }
      root.hidden = shown.size === 0;
    },
  });
  return () => feed.close();
}

export default { render };
