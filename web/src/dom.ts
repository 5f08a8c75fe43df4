// Makes elements. Names and values are set as text and as attributes, never as HTML.

type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | number | boolean | ((event: Event) => void) | undefined>;

export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false));
  return element;
}

export function choice(label: string, options: [value: string, title: string][], chosen: string, changed: (value: string) => void) {
  const select = h("select", { change: () => changed(select.value) });
  for (const [value, title] of options) select.append(h("option", { value, ...(value === chosen ? { selected: true } : {}) }, title));
  return h("label", { class: "choice" }, h("span", {}, label), select);
}

export function button(text: string, clicked: (event: Event) => void, attributes: Attributes = {}): HTMLButtonElement {
  return h("button", { type: "button", click: clicked, ...attributes }, text);
}

/** A number with four digits that count, as tables of the report show it. */
export function shown(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) return value.toExponential(2).replace("-", "−");
  const digits = Math.max(0, 3 - Math.floor(Math.log10(size)));
  return String(Number(value.toFixed(digits))).replace("-", "−");
}

export function counted(count: number, noun: string): string {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

let made = 0;

/** A name for an element that no other on the page has, where several of these pages stand in one notebook. */
export function unique(stem: string): string {
  made += 1;
  return `howfar-${stem}-${made}`;
}
