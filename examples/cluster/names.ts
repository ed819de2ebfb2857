/** The names of the two processes. In a file of its own: the page imports it without the schemas. */
export const names = ['alder', 'birch'] as const;

export type Name = (typeof names)[number];
