import { useEffect, useState } from "react";

/** True once a condition has held for so many milliseconds without a break. */
export function useWaited(so: boolean, milliseconds: number): boolean {
  const [waited, setWaited] = useState(false);
  useEffect(() => {
    if (!so) return;
    const timer = setTimeout(() => setWaited(true), milliseconds);
    return () => {
      clearTimeout(timer);
      setWaited(false);
    };
  }, [so, milliseconds]);
  return so && waited;
}
