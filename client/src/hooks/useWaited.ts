import { useEffect, useState } from "react";

/** True once something has been so without a break for so many milliseconds. */
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
