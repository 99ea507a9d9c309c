export type BrowserName = "chrome" | "firefox" | "safari" | "other";

/** Only to name the right menu in a hint; nothing else depends on it. */
export function browserName(agent: string = navigator.userAgent): BrowserName {
  if (/firefox|fxios/i.test(agent)) return "firefox";
  if (/chrome|chromium|crios|edg/i.test(agent)) return "chrome";
  if (/safari/i.test(agent)) return "safari";
  return "other";
}
