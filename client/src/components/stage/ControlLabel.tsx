/** The label of a control. Narrow screens show a shorter form, which screen readers ignore. */
export function ControlLabel({ long, short }: { long: string; short: string }) {
  return (
    <>
      <span className="long-label">{long}</span>
      <span className="short-label" aria-hidden="true" data-short={short} />
    </>
  );
}
