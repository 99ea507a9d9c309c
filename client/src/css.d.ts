import "react";

declare module "react" {
  interface CSSProperties {
    "--hue"?: number;
    "--level"?: number;
    "--columns"?: number;
    "--rows"?: number;
  }
}
