import { deviceTexts } from "./deviceTexts";

const negotiation = {
  message: "A connection could not be set up.",
  hint: "If you cannot hear everyone, leave and join again.",
};
const misunderstood = {
  message: "The server could not understand this page.",
  hint: "This page may be out of date. Reload it.",
};

/** Isolates a name, so that a name in a right-to-left script does not reorder the sentence around it. */
const iso = (name: string) => `\u2068${name}\u2069`;

const people = (count: number) => (count === 1 ? "1 person" : `${count} people`);
const room = (count: number) => `It has room for ${people(count)}.`;

/** All texts of the page in one place, so that translations can be added. */
export const texts = {
  app: "AI Voicebot",

  start: {
    title: "Start a lobby",
    intro:
      "A lobby is a room where people and AI agents talk. Create one and share its link, or open one that you were invited to.",
    createLabel: "Name of the new lobby",
    createPlaceholder: "Tea room",
    create: "Create lobby",
    creating: "Creating…",
    or: "or",
    joinLabel: "Link to a lobby",
    joinPlaceholder: "Paste a link",
    join: "Go to lobby",
    badLink: "This is not a link to a lobby. Copy the whole link and paste it again.",
    doorLabel: "Who can come in",
    doors: {
      private: { label: "People knock first", hint: "They wait until you let them in." },
      open: { label: "Anyone with the link", hint: "They come straight in." },
    },
    more: "More options",
    slugLabel: "Custom address (optional)",
    slugPlaceholder: "tea-room",
    slugHint: "An address that is easy to remember is also easy to guess.",
    badSlug: "Use 3 to 40 lowercase letters and digits, with single hyphens between them.",
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
    levelHint: "Say something. The bar should move.",
    levelAsleep: "Click anywhere to test your microphone.",
    asking: "Please allow the microphone when your browser asks.",
    join: "Join",
    joining: "Joining…",
    knock: "Ask to come in",
    knockHint: "A host has to let you in.",
    joinListening: "Join and just listen",
    tryAgain: "Try again",
    other: "Choose another lobby",
    waiting: "The server is not answering yet. Trying again…",
  },

  waiting: {
    title: "Asking to come in…",
    hint: "You will be in as soon as a host lets you in.",
    cancel: "Stop waiting",
  },

  returning: {
    title: "Coming back…",
    hint: "Taking you back to where you were.",
    cancel: "Not now",
  },

  door: {
    title: "At the door",
    knocks: (name: string) => `${iso(name)} would like to come in`,
    waiting: (count: number) =>
      count === 1 ? "Someone would like to come in" : `${count} people would like to come in`,
    admit: "Let in",
    // They begin with the words on the buttons, as speech input asks for.
    admitName: (name: string) => `Let in ${iso(name)}`,
    deny: "Turn away",
    denyName: (name: string) => `Turn away ${iso(name)}`,
  },

  moderation: {
    menu: (name: string) => `More about ${iso(name)}`,
    host: "Host",
    someHost: "A host",
    askMute: "Ask to mute",
    makeHost: "Make host",
    kick: "Remove from the lobby",
    kickSure: (name: string) => `Remove ${iso(name)}?`,
    kickHint: "They can come back, unless the lobby is locked or no host lets them in.",
    kickDo: "Remove",
    ban: "Ban",
    banSure: (name: string) => `Ban ${iso(name)}?`,
    banHint: "They are removed and cannot come back to this lobby.",
    banVisitorHint: "They are turned away and cannot ask again.",
    forNow: "The ban ends when everyone has left.",
    report: "Report",
    reportHint: "Only the people who run this server will see it.",
    reportLabel: "What happened? (optional)",
    reportDo: "Send report",
    muteAgent: "Mute for everyone",
    unmuteAgent: "Unmute for everyone",
    muteAgentHint: "It keeps listening, but says nothing.",
    removeAgent: "Remove from the lobby",
    back: "Back",
    muteAsked: (name: string) => `${iso(name)} was asked to mute.`,
    madeHost: (name: string) => `${iso(name)} is now a host.`,
    reported: "Thank you. Your report was sent.",
    youAreHost: {
      message: "You are now a host of this lobby.",
      hint: "You can let people in and change the lobby's settings.",
    },
    asksYou: (name: string) => `${iso(name)} asks you to mute yourself.`,
    notNow: "Not now",
  },

  settings: {
    title: "Lobby settings",
    open: "Settings",
    name: "Name of the lobby",
    nameNeeded: "Please enter a name.",
    door: "Who can come in",
    locked: "Locked",
    lockedHint: "Nobody new can come in. Everyone who is here stays.",
    agents: "Who can add and mute agents",
    agentsBy: { everyone: "Everyone", host: "Hosts only" },
    people: "Maximum number of people",
    save: "Save",
    end: "End the lobby for everyone",
    endSure: "End this lobby for everyone?",
    endHint: "Everyone is removed at once, and the link stops working.",
    endDo: "End lobby",
    ending: "Ending…",
    notEnded: {
      message: "The lobby could not be ended.",
      hint: "Check your connection, then try again.",
    },
    onlyHosts: "Only a host can change this.",
    forNow: "You are a host for now. Your changes last until everyone has left.",
    isLocked: "Nobody new can come in",
    isPrivate: "People knock before they come in",
  },

  devices: deviceTexts,

  lobby: {
    people,
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
    agentMuted: "Muted by a host",
    alone: "No agents here yet",
    aloneGuest: "A host of this lobby can add one.",
    aloneHint: "Describe one in a line, and it joins with a voice of its own.",
    hear: "Click to hear the others",
    hearHint: "Your browser waits for a click before it plays sound.",
    reconnect: "Connection to the server lost. Reconnecting…",
    noAnswer: "The server is not answering. Trying again…",
    offline: "You are offline.",
    offlineHint: "Check your network. This page reconnects by itself and then sends your messages.",
    reconnectHint: "You can still hear each other.",
    notBack: "The server is not back yet.",
    notBackHint:
      "This page keeps trying. Check your connection, or ask whoever runs the server whether it is running.",
    goingAway: {
      returning: "The server is about to restart.",
      returningHint: "You can still talk to the people here. The agents will be back in a moment.",
      ending: "The server is stopping, and this lobby ends with it.",
      endingHint: "Say goodbye, or agree on where to meet next.",
    },
    restarting: "The server is restarting…",
    failed: (name: string) => `No sound between you and ${iso(name)}`,
    failedHost: "No sound between you and the agents",
    /** What may help, by the code of the failure. */
    failures: {
      no_candidates:
        "Check your connection, turn off add-ons that block calls, then reload the page.",
      timeout:
        "Your network may be blocking the connection. If it fails again, use another network.",
      ice_failed:
        "Your network may be blocking the connection. If it fails again, use another network.",
    },
    retry: "Try again",
    stillCaptions: "Captions and chat still work.",
  },

  captions: {
    title: "Conversation",
    empty: "Everything that is said here appears as text.",
    emptyHint: "Say hello, or write below.",
    interrupted: "interrupted",
    joined: (name: string) => `${iso(name)} joined`,
    left: (name: string) => `${iso(name)} left`,
    lost: (name: string) => `${iso(name)} lost the connection`,
    removed: (name: string) => `${iso(name)} was removed`,
    chat: "Message",
    chatPlaceholder: "Write to everyone",
    send: "Send",
    newest: "Jump to the latest",
    sending: "Sending…",
    waiting: "Waiting for the connection…",
    notSent: "Not sent.",
    uncertain: "The connection was lost, so this message may not have arrived.",
    sendAgain: "Send again",
    discard: "Delete",
  },

  addAgent: {
    title: "Add an agent",
    intro: "One line is enough to give it a name, a character, a voice and a portrait.",
    label: "Who should join?",
    placeholder: "a grumpy lighthouse keeper",
    examples: ["a patient chess teacher", "a cheerful ship's cook", "a sceptical historian"],
    exampleLabel: "Examples",
    add: "Add agent",
    adding: "Creating the agent…",
    cancel: "Cancel",
    lost: {
      message: "The connection was lost while the agent was being created.",
      hint: "If it does not appear in a moment, add it again.",
    },
  },

  connection: {
    none: "Ready",
    connecting: "Connecting",
    connected: "Connected",
    reconnecting: "Reconnecting",
    offline: "Offline",
    failed: "No sound",
    relay: "via relay",
    quality: { good: "Good", fair: "Fair", poor: "Poor" },
    details: (trip: number | null, loss: number) =>
      [
        trip === null ? "" : `${Math.round(trip * 1000)} ms round trip`,
        `${Math.round(loss * 100)}% of the sound lost`,
      ]
        .filter(Boolean)
        .join(", "),
  },

  end: {
    left: "You have left",
    leftHint: "The link works as long as someone is there.",
    rejoin: "Join again",
    home: "Go to the start page",
    gone: "This lobby has ended",
    goneHint: "It was closed, or everyone has left.",
    missing: "This lobby does not exist, or you cannot come in",
    missingHint: "It may have ended. Check the link, or create a new lobby on the start page.",
    kicked: "You were removed from this lobby",
    kickedHint: "A host removed you. You can ask to come in again.",
    banned: "You cannot come back to this lobby",
    bannedHint: "A host has banned you from this lobby. You can still join other lobbies.",
    full: "This lobby is full",
    fullHint: (limit: number | null) =>
      limit ? `${room(limit)} Try again when someone has left.` : "Try again later.",
    expired: "Please reload this page",
    expiredHint:
      "The server no longer knows this page, because it was restarted or because many hours have passed. If you see this again right away, allow cookies for this site.",
    reload: "Reload",
    wrongAddress: "This address is not allowed",
    wrongAddressHint: (origin: string) =>
      `The server does not know the address ${origin}. Open the one that it printed when it started. To use this one, ask whoever runs the server to set PUBLIC_URL=${origin} and restart it.`,
    refused: "The server does not accept this page",
    refusedHint: "Open the address that the server printed when it started.",
    elsewhere: "You are in this lobby in another tab",
    elsewhereHint: "Only one tab of this browser can be in the lobby at a time.",
    useHere: "Use this tab",
  },

  errors: {
    negotiation,
    /** Shown instead of the server's own texts, by the code of the error. */
    said: {
      bad_message: misunderstood,
      unknown_type: misunderstood,
      not_joined: { message: "You were not in the lobby at that moment.", hint: "Try again." },
      unknown_participant: {
        message: "This person has already left.",
        hint: "There is nothing more to do.",
      },
      id_taken: {
        message: "This address is already taken.",
        hint: "Choose another address.",
      },
      draining: {
        message: "The server is about to restart, so nobody new can join.",
        hint: "Try again in a minute.",
      },
      unknown_agent: { message: "This agent has already left.", hint: "You can add another one." },
      media: negotiation,
      media_gone: negotiation,
      bad_sdp: negotiation,
      no_opus: negotiation,
      peer_closed: negotiation,
      unknown_host: negotiation,
      recycled_section: negotiation,
      ice_restart: negotiation,
    },
    crashed: "Something went wrong on this page",
    crashedHint: "Reload it. The lobby continues without you in the meantime.",
  },

  close: "Close",
  dismiss: "Dismiss",
  notifications: "Notifications",
};
