// The same page as a widget of a notebook (anywidget): what is selected and collected goes to the kernel.
import { build } from "./app";
import { read } from "./data";
import { h } from "./dom";
import { KernelHost, type Model } from "./kernel";

const PAUSE = 150;

/** The rows that pass all filters, as the bytes of 32-bit numbers in the order of the run. */
function passing(pass: Uint8Array): DataView {
  const rows = new Uint32Array(pass.reduce((count, one) => count + one, 0));
  let at = 0;
  pass.forEach((one, row) => {
    if (one) rows[at++] = row;
  });
  return new DataView(rows.buffer);
}

async function render({ model, el }: { model: Model; el: HTMLElement }): Promise<() => void> {
  // JupyterLab would else take the page's keys for its own commands.
  const root = h("div", { class: "howfar-explore", "data-lm-suppress-shortcuts": "true" });
  root.addEventListener("keydown", (event) => event.stopPropagation());
  el.append(root);
  const block = model.get("block") as DataView<ArrayBuffer>;
  try {
    const data = await read(new Uint8Array(block.buffer, block.byteOffset, block.byteLength));
    const host = new KernelHost(model, data);
    const { state, take } = build(root, data, host);
    let timer = 0;
    state.listen((change) => {
      if (change !== "filter") return;
      window.clearTimeout(timer);
      timer = window.setTimeout(() => {
        model.set("selected_bytes", passing(state.pass));
        model.save_changes();
      }, PAUSE);
    });
    const taken = () => {
      const rows = model.get("picked_rows") as number[];
      if (String(rows) !== String(state.tray)) take(rows);
    };
    model.on("change:picked_rows", taken);
    // A notebook changes between light and dark by attributes; what is drawn has to follow.
    const themes = new MutationObserver(() => state.tell("colour"));
    for (const element of [document.documentElement, document.body]) themes.observe(element, { attributes: true });
    return () => {
      themes.disconnect();
      window.clearTimeout(timer);
      model.off("change:picked_rows", taken);
      host.close();
    };
  } catch (error) {
    root.replaceChildren(h("p", {}, `This page does not work in this browser (${String(error)}).`));
    return () => undefined;
  }
}

export default { render };
