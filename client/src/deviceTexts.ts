/** The texts about microphones and cameras; `texts.devices` has them, too. */
export const deviceTexts = {
  default: "Default device",
  titles: {
    insecure: "Microphones only work on a secure address",
    unsupported: "This browser cannot use a microphone here",
    dismissed: "You have not allowed the microphone",
    denied: "Your browser is blocking the microphone",
    "denied-by-system": "Your system is blocking the microphone",
    "blocked-by-frame": "The microphone is blocked inside this page",
    missing: "No microphone was found",
    unplugged: "Your microphone was disconnected",
    busy: "Another program is using the microphone",
    unfit: "This microphone does not work for calls",
    unknown: "The microphone could not be opened",
  },
  cameraTitles: {
    insecure: "Cameras only work on a secure address",
    unsupported: "This browser cannot use a camera here",
    dismissed: "You have not allowed the camera",
    denied: "Your browser is blocking the camera",
    "denied-by-system": "Your system is blocking the camera",
    "blocked-by-frame": "The camera is blocked inside this page",
    missing: "No camera was found",
    unplugged: "Your camera was disconnected",
    busy: "Another program is using the camera",
    unfit: "This camera does not work for calls",
    unknown: "The camera could not be opened",
  },
  hints: {
    insecure:
      "Browsers only allow this at addresses that begin with https://. Ask whoever sent you the link for such an address. On the computer that runs the server, an address that begins with http://localhost works too.",
    unsupported: "Please use a current version of Chrome, Edge, Firefox or Safari.",
    dismissed: "Try again, and choose “Allow” when your browser asks.",
    "blocked-by-frame":
      "Choose “Allow” if your browser asks, or open the lobby in a tab of its own: notebooks and editors often block devices for the pages inside them.",
    missing: "Plug one in, or turn it on in your system's settings, then try again.",
    unplugged: "Plug it in again, or choose another one.",
    busy: "Close the other program, or end its call, then try again.",
    unfit: "It does not support what a call needs. Choose another one.",
    unknown: "Unplug it and plug it in again, or restart your browser, then try again.",
  },
  denied: {
    chrome: "Click the icon left of the address, switch the device on, then try again.",
    firefox: "Click the crossed-out icon left of the address, remove the block, then try again.",
    safari:
      "In the menu bar choose Safari → Settings for This Website, set the device to “Allow”, then try again.",
    other: "Allow it for this site in your browser's settings, then try again.",
  },
  deniedOn: {
    android:
      "Tap the icon left of the address, open “Permissions”, allow the device, then try again.",
    ios: "In Safari, tap the menu beside the address and open “Website Settings”. For another browser, open the Settings app and choose that browser. Allow the device there, then try again.",
  },
  deniedBySystem: {
    android:
      "Open Settings → Apps, choose this browser, allow the device under “Permissions”, then try again.",
    ios: "Open the Settings app, choose this browser, switch the device on, then try again.",
    mac: "Open System Settings → Privacy & Security, choose the device, switch this browser on, then try again.",
    windows:
      "Open Settings → Privacy & security, choose the device, let desktop apps use it, then try again.",
    other: "Let this browser use it in your system's settings, then try again.",
  },
  listenOnly: "You can join anyway. You will hear everyone, and you can use the chat.",
  listening: "Until then, you can hear everyone and use the chat.",
  openTab: "Open in a new tab",
  kept: "The one you were using stays on.",
};
