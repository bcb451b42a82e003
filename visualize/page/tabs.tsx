/** Tabs by the ARIA Authoring Practices: the Tab key reaches the chosen tab, the arrow keys choose another one. */
export const Tabs = <Id extends string>({
  label,
  tabs,
  chosen,
  choose,
}: {
  label: string;
  tabs: readonly { readonly id: Id; readonly title: string; readonly count?: number }[];
  chosen: Id;
  choose(id: Id): void;
}) => {
  const move = (event: KeyboardEvent, by: number) => {
    event.preventDefault();
    const at = tabs.findIndex(({ id }) => id === chosen);
    const next = tabs[(at + by + tabs.length) % tabs.length];
    if (next === undefined) return;
    choose(next.id);
    document.getElementById(`tab-${next.id}`)?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label={label}>
      {tabs.map(({ id, title, count }) => (
        <button
          key={id}
          type="button"
          role="tab"
          id={`tab-${id}`}
          aria-selected={id === chosen}
          aria-controls={id === chosen ? `panel-${id}` : undefined}
          tabIndex={id === chosen ? 0 : -1}
          onClick={() => choose(id)}
          onKeyDown={(event) => {
            if (event.key === 'ArrowRight') move(event, 1);
            if (event.key === 'ArrowLeft') move(event, -1);
          }}
        >
          {title} {count !== undefined && count > 0 && <span class="badge">{count}</span>}
        </button>
      ))}
    </div>
  );
};
