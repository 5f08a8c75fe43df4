// Asks the kernel of a notebook for pictures, over the channel that the notebook has to it; there is no server and no port.
import type { Data } from "./data";
import { type Host, type Kind, Known } from "./host";

/** What this page uses of the model that the notebook gives a widget (https://anywidget.dev/en/afm/). */
export interface Model {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  send(content: unknown): void;
  on(event: string, listener: (...given: never[]) => void): void;
  off(event: string, listener: (...given: never[]) => void): void;
}

interface Answer {
  asked?: string;
  type?: string;
  /** Why there is nothing. */
  error?: string;
}

type Bytes = DataView<ArrayBuffer>;

/** Pictures that are kept when they have come; the oldest is let go of. */
const KEPT = 600;

export class KernelHost implements Host {
  readonly full = true;
  private readonly known: Known;
  private readonly addresses = new Map<string, Promise<string>>();
  private readonly waiting = new Map<string, { done: (found: { type: string; bytes: Bytes }) => void; failed: (reason: Error) => void }>();
  private readonly hears = (answer: Answer, buffers: Bytes[]) => this.hear(answer, buffers);

  constructor(
    private readonly model: Model,
    data: Data,
  ) {
    this.known = new Known(data);
    model.on("msg:custom", this.hears);
  }

  has(row: number, kind: Kind, model: number): boolean {
    return this.known.has(row, kind, model);
  }

  address(row: number, kind: Kind, model: number): string | Promise<string> {
    if (!this.has(row, kind, model)) return "";
    const name = kind === "prediction" ? `${kind}/${row}/${model}` : `${kind}/${row}`;
    const known = this.addresses.get(name);
    if (known) return known;
    const coming = this.send(name).then(({ type, bytes }) => URL.createObjectURL(new Blob([bytes], { type })));
    // One that cannot be had is heard of where it is shown; here nobody listens.
    coming.catch(() => undefined);
    this.addresses.set(name, coming);
    if (this.addresses.size > KEPT) this.release(this.addresses.keys().next().value!);
    return coming;
  }

  readonly ask = async (name: string, from?: number, to?: number): Promise<ArrayBuffer> => {
    const { bytes } = await this.send(name, from, to);
    return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  };

  private send(asked: string, from?: number, to?: number): Promise<{ type: string; bytes: Bytes }> {
    const coming = new Promise<{ type: string; bytes: Bytes }>((done, failed) => this.waiting.set(asked, { done, failed }));
    this.model.send({ asked, from, to });
    return coming;
  }

  picked(): number[] {
    return [...(this.model.get("picked_rows") as number[])];
  }

  async keep(rows: number[]): Promise<string> {
    this.model.set("picked_rows", rows);
    this.model.save_changes();
    return "In Python, these images are the rows of .picked.";
  }

  /** Lets go of all pictures, as the page is closed. */
  close(): void {
    this.model.off("msg:custom", this.hears);
    for (const name of [...this.addresses.keys()]) this.release(name);
  }

  private release(name: string): void {
    this.addresses.get(name)?.then((address) => URL.revokeObjectURL(address), () => undefined);
    this.addresses.delete(name);
  }

  private hear({ asked, type, error }: Answer, buffers: Bytes[]): void {
    if (asked === undefined) return;
    const waiting = this.waiting.get(asked);
    this.waiting.delete(asked);
    const bytes = buffers[0];
    if (bytes && type) waiting?.done({ type, bytes });
    else waiting?.failed(new Error(error ?? "the kernel cannot read it"));
  }
}
