import { options, type VNode } from 'preact';
import { visible } from '../../src/visible.ts';

/** Attributes that are shown or read out. */
const shown = ['title', 'aria-label', 'placeholder', 'alt'];

/**
 * Makes control characters and bidirectional marks visible in all drawn texts: ids and names come from Redis and can hold
 * any character. Addresses, keys and values of fields stay exact.
 */
export const showTexts = (): void => {
  const before = options.vnode;
  options.vnode = (node: VNode) => {
    const { type, props } = node as { type: unknown; props: unknown };
    // A text is a node without a type.
    if (type === null && typeof props === 'string') Object.assign(node, { props: visible(props) });
    else if (typeof type === 'string') {
      const attributes = props as Record<string, unknown>;
      for (const name of shown) {
        const value = attributes[name];
        if (typeof value === 'string') attributes[name] = visible(value);
      }
    }
    before?.(node);
  };
};
