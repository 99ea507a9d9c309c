export type BrowserName = "chrome" | "firefox" | "safari" | "other";
export type SystemName = "android" | "ios" | "mac" | "windows" | "other";

/** The browser, only to name the right menu in a hint. */
export function browserName(agent: string = navigator.userAgent): BrowserName {
  if (/firefox|fxios/i.test(agent)) return "firefox";
  if (/chrome|chromium|crios|edg/i.test(agent)) return "chrome";
  if (/safari/i.test(agent)) return "safari";
  return "other";
}

/** The system, only to name the right settings in a hint. */
export function systemName(agent: string = navigator.userAgent): SystemName {
  if (/android/i.test(agent)) return "android";
  if (/iphone|ipad|ipod/i.test(agent)) return "ios";
  if (/macintosh/i.test(agent)) return "mac";
  if (/windows/i.test(agent)) return "windows";
  return "other";
}
