const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]|0\.0\.0\.0)$/;

// Returns the address of the server for a browser on this page, and whether it goes through Jupyter's proxy.
function address(url, isPublic) {
  const direct = new URL(url);
  const here = window.location;
  const remote = here.protocol.startsWith("http") && !LOOPBACK.test(here.hostname);
  if (isPublic || !remote || !LOOPBACK.test(direct.hostname)) return { href: direct.href, proxied: false };
  let base = "/";
  try {
    base = JSON.parse(document.getElementById("jupyter-config-data").textContent).baseUrl || "/";
  } catch {
    base = document.body.dataset.baseUrl || "/";
  }
  const port = direct.port || "80";
  return { href: new URL(`${base.replace(/\/?$/, "/")}proxy/${port}/${direct.search}`, here.origin).href, proxied: true };
}

// Returns the address for a frame on this page, in the client's compact layout. It has the host name of the page:
// `localhost` and `127.0.0.1` are two sites, and a framed page of another site gets no session cookie.
function framed(href) {
  const { protocol, hostname } = window.location;
  const url = new URL(href);
  const names = ["localhost", "127.0.0.1"];
  if (protocol.startsWith("http") && names.includes(hostname) && names.includes(url.hostname)) url.hostname = hostname;
  url.searchParams.set("embed", "1");
  return url.href;
}

function render({ model, el }) {
  const root = element("section", "vb vb-lobby", null, { "aria-label": "The lobby" });
  const line = element("div", "vb-lobby-line");
  const link = element("a", "vb-open", "Open the lobby in a new tab", { target: "_blank", rel: "noopener" });
  const where = element("code", "vb-where");
  const toggle = element("button", "vb-toggle", "", { type: "button" });
  const note = element("div", "vb-lobby-note");
  const place = element("div", "vb-place");
  line.append(link, where, toggle);
  root.append(line, note, place);
  el.append(root);

  const draw = () => {
    const running = model.get("running");
    const shown = model.get("shown") && running;
    const { href, proxied } = address(model.get("url"), model.get("public"));
    link.href = href;
    link.hidden = !running;
    toggle.hidden = !running;
    where.textContent = running ? href : "The workbench is stopped. Run await wb.start() to continue.";
    toggle.textContent = shown ? "Close here" : "Show it here";
    const embedded = window.location.protocol.startsWith("http") ? "" : "This editor gives embedded pages no microphone: use the link.";
    note.textContent = proxied
      ? "The notebook is open from another machine, so the link goes through jupyter-server-proxy. If it answers 404, install jupyter-server-proxy beside JupyterLab, and restart JupyterLab."
      : shown ? embedded : "";
    note.hidden = note.textContent === "";
    const frame = place.firstElementChild;
    const src = framed(href);
    if (!shown) place.replaceChildren();
    else if (!frame || frame.src !== src) {
      place.replaceChildren(element("iframe", "vb-frame", null, {
        src, title: "The lobby", allow: "microphone; camera; autoplay; clipboard-write",
      }));
    }
    if (place.firstElementChild) place.firstElementChild.style.height = `${model.get("height")}px`;
  };
  toggle.addEventListener("click", () => {
    model.set("shown", !model.get("shown"));
    model.save_changes();
  });
  const watched = ["url", "public", "shown", "height", "running"];
  for (const name of watched) model.on(`change:${name}`, draw);
  draw();
  return () => {
    for (const name of watched) model.off(`change:${name}`, draw);
  };
}

export default { render };
