import { Subscribers, type Unsubscribe } from "../subscribers";

const POLL_MS = 100;
/** Of the linear RMS level: about -40 dBFS, above a quiet room's noise after suppression. */
const SPEAKING = 0.01;
/** Keep showing a speaker over the gaps between words. */
const HOLD_MS = 400;

export interface Level {
  /** 0 to 1, curved for the eye. */
  value: number;
  speaking: boolean;
}

const SILENT: Level = { value: 0, speaking: false };

/** A linear RMS level to 0..1 over the 50 dB below full scale. */
export function curve(rms: number): number {
  if (rms <= 0) return 0;
  return Math.min(1, Math.max(0, 1 + (20 * Math.log10(rms)) / 50));
}

/** How loud everyone is, ten times a second, while somebody listens. */
export class Levels {
  readonly #receivers: () => ReadonlyMap<string, RTCRtpReceiver[]>;
  readonly #subscribers = new Subscribers<void>();
  #listening = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #levels = new Map<string, Level>();
  #heard = new Map<string, number>();
  #context: AudioContext | null = null;
  #own: { id: string; analyser: AnalyserNode; source: MediaStreamAudioSourceNode } | null = null;

  constructor(receivers: () => ReadonlyMap<string, RTCRtpReceiver[]>) {
    this.#receivers = receivers;
  }

  get(id: string): Level {
    return this.#levels.get(id) ?? SILENT;
  }

  subscribe(listener: () => void): Unsubscribe {
    const unsubscribe = this.#subscribers.add(listener);
    this.#listening++;
    this.#timer ??= setInterval(() => this.#poll(), POLL_MS);
    return () => {
      unsubscribe();
      this.#listening--;
      if (this.#listening === 0) {
        clearInterval(this.#timer);
        this.#timer = undefined;
      }
    };
  }

  /** Measure our own microphone under this id; null stops. */
  setOwn(id: string, track: MediaStreamTrack | null): void {
    this.#own?.source.disconnect();
    this.#own = null;
    if (!track || typeof AudioContext === "undefined") return;
    this.#context ??= new AudioContext({ latencyHint: "interactive" });
    const source = this.#context.createMediaStreamSource(new MediaStream([track]));
    const analyser = this.#context.createAnalyser();
    analyser.fftSize = 1024;
    source.connect(analyser);
    this.#own = { id, analyser, source };
    this.resume();
  }

  /** Our own microphone is not measured, because the browser waits for a click. */
  get asleep(): boolean {
    return this.#own !== null && this.#context?.state === "suspended";
  }

  /** The own meter stands still until the page was touched; call this on the first gesture. */
  resume(): void {
    if (this.#context?.state === "suspended") void this.#context.resume().catch(() => {});
  }

  #poll(): void {
    const now = performance.now();
    const next = new Map<string, Level>();
    for (const [id, receivers] of this.#receivers()) {
      next.set(id, this.#level(id, loudest(receivers), now));
    }
    if (this.#own) next.set(this.#own.id, this.#level(this.#own.id, rms(this.#own.analyser), now));
    this.#levels = next;
    this.#subscribers.emit();
  }

  #level(id: string, loudness: number, now: number): Level {
    if (loudness >= SPEAKING) this.#heard.set(id, now);
    const speaking = now - (this.#heard.get(id) ?? Number.NEGATIVE_INFINITY) < HOLD_MS;
    const old = this.#levels.get(id);
    const value = Math.round(curve(loudness) * 50) / 50;
    // The same object while nothing changes, so that nothing is drawn anew.
    return old && old.value === value && old.speaking === speaking ? old : { value, speaking };
  }
}

function loudest(receivers: RTCRtpReceiver[]): number {
  let level = 0;
  const now = performance.timeOrigin + performance.now();
  for (const receiver of receivers) {
    for (const source of receiver.getSynchronizationSources?.() ?? []) {
      // Nothing has come for a while: a silent agent sends no packets at all.
      if (now - source.timestamp > HOLD_MS) continue;
      level = Math.max(level, source.audioLevel ?? 0);
    }
  }
  return level;
}

function rms(analyser: AnalyserNode): number {
  const samples = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(samples);
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return Math.sqrt(sum / samples.length);
}
