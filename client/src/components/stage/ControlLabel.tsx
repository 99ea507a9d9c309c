/** A control's words; where the screen is narrow a shorter form is drawn, and only drawn. */
export function ControlLabel({ long, short }: { long: string; short: string }) {
  return (
    <>
      <span className="long-label">{long}</span>
      <span className="short-label" aria-hidden="true" data-short={short} />
    </>
  );
}
