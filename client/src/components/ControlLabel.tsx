/** A control's words: a shorter form where the screen is narrow, the full one for screen readers. */
export function ControlLabel({ long, short }: { long: string; short: string }) {
  return (
    <>
      <span className="long-label">{long}</span>
      <span className="short-label" aria-hidden="true">
        {short}
      </span>
    </>
  );
}
