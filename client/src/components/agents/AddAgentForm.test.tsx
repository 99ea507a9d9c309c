import { act, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { FakeSocket } from "../../testing/FakeSocket";
import { join, receive, show } from "../../testing/page";
import { texts } from "../../texts";

test("adding an agent: progress, the reason it failed, then success closes the dialog", async () => {
  const user = userEvent.setup({ delay: null });
  show("?lobby=demo");
  await join();
  await user.click(screen.getByTestId("add-agent-button"));
  await user.type(screen.getByTestId("agent-description"), "a cook");
  await user.click(screen.getByTestId("agent-submit-button"));
  expect(screen.getByTestId("agent-progress")).toBeTruthy();
  const asked = () => FakeSocket.last.of("agent_create").at(-1);
  expect(asked()?.data).toEqual({ description: "a cook" });
  await receive({
    type: "error",
    id: asked()?.id ?? null,
    data: { code: "model_load", message: "No voice.", hint: "Install one." },
  });
  expect(screen.getByTestId("agent-error").textContent).toBe("No voice.Install one.");
  await user.click(screen.getByTestId("agent-submit-button"));
  await receive({
    type: "agent_created",
    lobby: "demo",
    id: asked()?.id ?? null,
    data: { participant: { id: "a-2", name: "Pablo", kind: "agent" } },
  });
  expect(screen.queryByTestId("agent-description")).toBeNull();
  expect(screen.getByTestId("tile-a-2").dataset.name).toBe("Pablo");
});

test.each(["keyboard", "mouse"])(
  "Escape closes the dialog and gives the focus back: %s",
  async (how) => {
    const user = userEvent.setup({ delay: null });
    show("?lobby=demo");
    await join();
    const button = screen.getByTestId("add-agent-button");
    if (how === "mouse") {
      await user.click(button);
    } else {
      act(() => button.focus());
      await user.keyboard("{Enter}");
    }
    await user.type(screen.getByTestId("agent-description"), "a cook{Escape}");
    expect(screen.queryByTestId("agent-description")).toBeNull();
    await waitFor(() => expect(document.activeElement).toBe(button));
  },
);

test("when the first agent has joined, the focus moves from the vanished button to another one", async () => {
  const user = userEvent.setup({ delay: null });
  show("?lobby=demo");
  await join();
  await receive({
    type: "agent_removed",
    lobby: "demo",
    data: { participant_id: "a-1", reason: "removed" },
  });
  await user.click(screen.getByTestId("add-first-agent-button"));
  await user.type(screen.getByTestId("agent-description"), "a cook{Enter}");
  const id = FakeSocket.last.of("agent_create").at(-1)?.id ?? null;
  await receive({
    type: "agent_created",
    lobby: "demo",
    id,
    data: { participant: { id: "a-2", name: "Pablo", kind: "agent" } },
  });
  expect(screen.queryByTestId("agent-description")).toBeNull();
  await waitFor(() => expect(document.activeElement).toBe(screen.getByTestId("add-agent-button")));
});

test("a failed agent is reported after the dialog was closed, too", async () => {
  const user = userEvent.setup({ delay: null });
  show("?lobby=demo");
  await join();
  await user.click(screen.getByTestId("add-agent-button"));
  await user.type(screen.getByTestId("agent-description"), "a cook{Enter}");
  expect(screen.queryByText(texts.addAgent.cancel)).toBeNull();
  await user.click(screen.getByText(texts.close));
  expect(screen.queryByTestId("agent-description")).toBeNull();
  await receive({
    type: "error",
    id: FakeSocket.last.of("agent_create").at(-1)?.id ?? null,
    data: { code: "model_load", message: "No voice.", hint: "Install one." },
  });
  expect(screen.getByTestId("toast").textContent).toBe("No voice.Install one.");
});

test("while a dialog is open, notifications are announced and can be dismissed", async () => {
  const user = userEvent.setup({ delay: null });
  show("?lobby=demo");
  await join();
  await user.click(screen.getByTestId("add-agent-button"));
  await receive({ type: "error", data: { code: "stt", message: "Speech recognition failed." } });
  const toast = screen.getByTestId("toast");
  expect(toast.closest("[inert], [aria-hidden='true']")).toBeNull();
  await user.click(within(toast).getByRole("button"));
  expect(screen.queryByTestId("toast")).toBeNull();
  expect(screen.getByTestId("agent-description")).toBeTruthy();
});

test("the keyboard focus survives joining and removing an agent", async () => {
  const user = userEvent.setup({ delay: null });
  show("?lobby=demo");
  await join();
  expect(document.activeElement).toBe(screen.getByRole("main"));
  expect(screen.getByRole("main", { name: "Demo" })).toBeTruthy();
  act(() => screen.getByTestId("menu-a-1").focus());
  await user.keyboard("{Enter}");
  act(() => screen.getByTestId("remove-a-1").focus());
  await user.keyboard("{Enter}");
  expect(FakeSocket.last.of("agent_remove")).toMatchObject([{ data: { participant_id: "a-1" } }]);
  await receive({
    type: "agent_removed",
    lobby: "demo",
    data: { participant_id: "a-1", reason: "removed" },
  });
  await waitFor(() => expect(document.activeElement).toBe(screen.getByTestId("add-agent-button")));
});
