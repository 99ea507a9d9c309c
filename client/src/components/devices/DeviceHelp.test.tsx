import { act, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test, vi } from "vitest";
import type { DeviceProblemKind } from "../../rtc/problems";
import { client, join, show } from "../../testing/page";
import { texts } from "../../texts";

/** For what comes with a real timer's tick; a busy machine is no failure. */
const PATIENT = { timeout: 20_000 };

test.each<[DeviceProblemKind, string]>([
  ["denied", texts.devices.titles.denied],
  ["missing", texts.devices.hints.missing],
  ["insecure", texts.devices.hints.insecure],
])("a microphone that is %s is explained, and listening is offered", async (kind, said) => {
  show("?lobby=demo", kind);
  const help = await screen.findByTestId("microphone-problem");
  expect(help.dataset.problem).toBe(kind);
  expect(within(help).getByText(said)).toBeTruthy();
  expect(screen.getByTestId("join-button").textContent).toBe(texts.prejoin.joinListening);
});

test("another microphone can be chosen where one is missing", async () => {
  show("?lobby=demo", "missing");
  await screen.findByTestId("microphone-problem");
  expect(screen.queryByTestId("microphone-select")).toBeNull();
  const choices = [{ id: "headset", label: "Headset" }];
  act(() => client.store.setState({ microphone: { ...client.state.microphone, choices } }));
  expect(screen.getByTestId("microphone-select").textContent).toContain("Headset");
});

test.each<["microphone" | "camera", string]>([
  ["microphone", "mute-button"],
  ["camera", "camera-button"],
])("in the lobby a %s that does not open says why until that is read", async (kind, control) => {
  show("?lobby=demo", "busy");
  await screen.findByTestId("microphone-problem");
  await join();
  // Before joining it was said, and listening was chosen.
  expect(screen.queryByTestId(`${kind}-banner`)).toBeNull();
  const { titles, cameraTitles, hints } = texts.devices;
  const title = (kind === "microphone" ? titles : cameraTitles).busy;
  const open = vi.spyOn(client, "openDevice");
  for (const times of [1, 2]) {
    await userEvent.click(screen.getByTestId(control));
    expect(open).toHaveBeenCalledTimes(times);
    const said = screen.getByRole("alert");
    expect(said.textContent).toContain(title);
    expect(said.textContent).toContain(hints.busy);
  }
  await userEvent.click(within(screen.getByRole("alert")).getByText(texts.prejoin.tryAgain));
  expect(open).toHaveBeenCalledTimes(3);
  const banner = screen.getByTestId(`${kind}-banner`);
  await userEvent.click(within(banner).getByRole("button", { name: texts.dismiss }));
  expect(screen.queryByTestId(`${kind}-banner`)).toBeNull();
  await waitFor(() => expect(document.activeElement).toBe(screen.getByTestId(control)));
});

test("a microphone meter that waits for a click says so", async () => {
  const context = {
    state: "suspended",
    resume: async () => {},
    createMediaStreamSource: () => ({ connect: () => {}, disconnect: () => {} }),
    createAnalyser: () => ({ fftSize: 0, getFloatTimeDomainData: () => {} }),
  };
  vi.stubGlobal("AudioContext", function Context() {
    return context;
  });
  show("?lobby=demo");
  expect(await screen.findByText(texts.prejoin.levelAsleep, {}, PATIENT)).toBeTruthy();
  context.state = "running";
  expect(await screen.findByText(texts.prejoin.levelHint, {}, PATIENT)).toBeTruthy();
});
