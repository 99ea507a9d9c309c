const negotiation = {
  message: "A connection could not be set up.",
  hint: "If you do not hear everyone, leave and join again.",
};
const misunderstood = {
  message: "The server did not understand this page.",
  hint: "It may be newer than the page: load the page again.",
};

/** Every word that people read, in one place, so that other languages can follow. */
export const texts = {
  app: "AI Voicebot",

  start: {
    title: "Start a lobby",
    intro:
      "A lobby is a room to talk in, for people and AI agents. Create one and share its link, or go to one that is already there.",
    createLabel: "Name of the new lobby",
    createPlaceholder: "Tea room",
    create: "Create lobby",
    creating: "Creating…",
    or: "or",
    joinLabel: "Link to a lobby",
    joinPlaceholder: "Paste a link",
    join: "Go to lobby",
    badLink: "This is not a link to a lobby. Copy the whole link and paste it again.",
    demo: "Try the demo lobby",
    demoHint: "An agent is already waiting there.",
  },

  prejoin: {
    into: "You are about to join",
    unnamed: (id: string) => `Lobby ${id}`,
    name: "Your name",
    namePlaceholder: "How others will see you",
    nameNeeded: "Please enter a name.",
    microphone: "Microphone",
    camera: "Camera",
    cameraOn: "Turn camera on",
    cameraOff: "Turn camera off",
    level: "Microphone level",
    levelHint: "Say something: the bar should move.",
    levelAsleep: "Click anywhere to test your microphone.",
    asking: "Please allow the microphone when your browser asks.",
    join: "Join",
    joining: "Joining…",
    joinListening: "Join listening only",
    tryAgain: "Try again",
    other: "Another lobby",
    waiting: "No answer from the server yet. Trying again…",
  },

  devices: {
    default: "Default device",
    titles: {
      insecure: "Microphones only work on a secure address",
      unsupported: "This browser cannot use a microphone here",
      denied: "The microphone is blocked",
      "blocked-by-frame": "The microphone is blocked inside this page",
      missing: "No microphone was found",
      busy: "The microphone is in use",
      unknown: "The microphone could not be opened",
    },
    cameraTitles: {
      insecure: "Cameras only work on a secure address",
      unsupported: "This browser cannot use a camera here",
      denied: "The camera is blocked",
      "blocked-by-frame": "The camera is blocked inside this page",
      missing: "No camera was found",
      busy: "The camera is in use",
      unknown: "The camera could not be opened",
    },
    hints: {
      insecure:
        "Browsers allow it only at addresses that begin with https://. Ask whoever sent you the link for such an address. On the computer where the server runs, an address that begins with http://localhost works as well.",
      unsupported: "Please use a current Chrome, Edge, Firefox or Safari.",
      "blocked-by-frame":
        "Allow it when the browser asks, or open the lobby in a tab of its own: notebooks and editors often keep pages inside them from using it.",
      missing: "Plug one in, or turn it on in your system's settings, then try again.",
      busy: "Another program holds it. Close that program (or its call), then try again.",
      unknown: "Unplug it and plug it in again, or restart the browser, then try again.",
    },
    denied: {
      chrome: "Click the icon left of the address, switch the device to “Allow”, then try again.",
      firefox: "Click the crossed-out icon left of the address, remove the block, then try again.",
      safari:
        "In the menu choose Safari → Settings for This Website, set the device to “Allow”, then try again.",
      other: "Allow it in your browser's settings for this site, then try again.",
    },
    listenOnly: "You can join anyway: you hear everyone and can write in the chat.",
    openTab: "Open in a new tab",
    unplugged: {
      microphone: "Your microphone was disconnected.",
      camera: "Your camera was disconnected.",
    },
    unpluggedHint: "Choose another one under “Devices”.",
    kept: "The one you had stays in use.",
  },

  lobby: {
    people: (count: number) => (count === 1 ? "1 person" : `${count} people`),
    agents: (count: number) => (count === 1 ? "1 agent" : `${count} agents`),
    participants: "Participants",
    controls: "Controls",
    you: "you",
    agent: "AI agent",
    muted: "Muted",
    reconnecting: "Reconnecting…",
    handRaised: "Hand raised",
    connecting: "Connecting…",
    noAudio: "No sound",
    states: {
      initializing: "Getting ready",
      idle: "Ready",
      listening: "Listening",
      thinking: "Thinking",
      speaking: "Speaking",
    },
    short: { camera: "Camera", agent: "Agent", captions: "Captions" },
    mute: "Mute",
    unmute: "Unmute",
    listenOnly: "No mic",
    cameraOn: "Start camera",
    cameraOff: "Stop camera",
    addAgent: "Add an agent",
    leave: "Leave",
    devices: "Devices",
    copyLink: "Copy link",
    copied: "Link copied.",
    copyFailed: "The link could not be copied.",
    copyFailedHint: (link: string) => `Copy it by hand: ${link}`,
    removeAgent: (name: string) => `Remove ${name}`,
    alone: "No agent is here yet",
    aloneHint: "Describe one in a line and it joins with a voice of its own.",
    hear: "Click to hear the others",
    hearHint: "Your browser waits for a click before it plays sound.",
    reconnect: "Connection to the server lost. Reconnecting…",
    reconnectHint: "You still hear each other meanwhile.",
    failed: (name: string) => `No sound to and from ${name}`,
    failedHost: "No sound to and from the agents",
    /** What may help, by the failure's code. */
    failures: {
      no_candidates:
        "Check your connection, turn off add-ons that block calls, then load the page again.",
      timeout: "Your network may block it.",
      ice_failed: "Your network may block it.",
    },
    retry: "Try again",
    stillCaptions: "Captions and chat go on.",
  },

  captions: {
    title: "Conversation",
    empty: "What is said here appears as text.",
    emptyHint: "Say hello, or write below.",
    interrupted: "interrupted",
    joined: (name: string) => `${name} joined`,
    left: (name: string) => `${name} left`,
    lost: (name: string) => `${name} lost the connection`,
    chat: "Message",
    chatPlaceholder: "Write to everyone",
    send: "Send",
    newest: "Jump to the newest",
  },

  addAgent: {
    title: "Add an agent",
    intro: "One line is enough. Name, character, voice and portrait are made from it.",
    label: "Who should join?",
    placeholder: "a grumpy lighthouse keeper",
    examples: ["a patient chess teacher", "a cheerful ship's cook", "a sceptical historian"],
    exampleLabel: "Examples",
    add: "Add agent",
    adding: "Making the agent…",
    cancel: "Cancel",
    lost: {
      message: "The connection was lost while the agent was being made.",
      hint: "If it does not appear in a moment, add it again.",
    },
  },

  connection: {
    none: "Ready",
    connecting: "Connecting",
    connected: "Connected",
    reconnecting: "Reconnecting",
    failed: "No sound",
    relay: "via relay",
    quality: { good: "Good", fair: "Fair", poor: "Poor" },
    details: (trip: number | null, loss: number) =>
      [
        trip === null ? "" : `${Math.round(trip * 1000)} ms there and back`,
        `${Math.round(loss * 100)} % of the sound lost`,
      ]
        .filter(Boolean)
        .join(", "),
  },

  end: {
    left: "You have left",
    leftHint: "The link stays valid while somebody is there.",
    rejoin: "Join again",
    home: "To the start page",
    gone: "This lobby has ended",
    goneHint: "It was closed, or everybody has left.",
    missing: "There is no such lobby",
    missingHint: "It may have ended. Check the link, or open a new lobby on the start page.",
    kicked: "You were removed from this lobby",
    kickedHint: "Someone who runs the lobby has removed you.",
    full: "This lobby is full",
    fullHint: (limit: number | null) =>
      limit ? `It holds ${limit} people. Try again when somebody has left.` : "Try again later.",
    expired: "Please load this page again",
    expiredHint:
      "The server no longer knows this page, because it was started again or because many hours have passed. If this comes back at once, allow cookies for this site.",
    reload: "Load again",
    wrongAddress: "This address is not allowed",
    wrongAddressHint: (origin: string) =>
      `The server does not know the address ${origin}. Open the one it printed when it started. If people are meant to come here, whoever runs the server sets PUBLIC_URL=${origin} and starts it again.`,
    refused: "The server does not let this page in",
    refusedHint: "Open it by the address that the server printed when it started.",
    elsewhere: "You are here in another tab",
    elsewhereHint:
      "You opened the lobby in another tab of this browser, and only one of them can take part.",
    useHere: "Use this tab",
  },

  errors: {
    negotiation,
    /** In place of what the server says, by the error's code. */
    said: {
      bad_message: misunderstood,
      unknown_type: misunderstood,
      not_joined: { message: "You were not in the lobby at that moment.", hint: "Try it again." },
      unknown_agent: { message: "This agent has already left.", hint: "You may add another one." },
      media: negotiation,
      media_gone: negotiation,
      bad_sdp: negotiation,
      no_opus: negotiation,
      peer_closed: negotiation,
      unknown_host: negotiation,
      recycled_section: negotiation,
      ice_restart: negotiation,
    },
    crashed: "Something broke on this page",
    crashedHint: "Load it again; the lobby goes on meanwhile.",
  },

  close: "Close",
  dismiss: "Dismiss",
  notifications: "Notifications",
};
