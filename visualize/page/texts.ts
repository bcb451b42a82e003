import { options, type VNode } from 'preact';
import { visible } from '../../src/visible.ts';

/** Attributes that a person reads. */
const read = ['title', 'aria-label', 'placeholder', 'alt'];

/**
 * Shows control characters and marks of direction wherever a text is drawn: ids and names come from Redis and can hold
 * anything. What leads somewhere (addresses, keys, values of fields) stays exact.
 */
export const showTexts = (): void => {
  const before = options.vnode;
  options.vnode = (node: VNode) => {
    const { type, props } = node as { type: unknown; props: unknown };
    // Texts are nodes of no type.
    if (type === null && typeof props === 'string') Object.assign(node, { props: visible(props) });
    else if (typeof type === 'string') {
      const attributes = props as Record<string, unknown>;
      for (const name of read) {
        const value = attributes[name];
        if (typeof value === 'string') attributes[name] = visible(value);
      }
    }
    before?.(node);
  };
};
