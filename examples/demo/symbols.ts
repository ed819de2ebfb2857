/** What the quote board lists. Apart from the contract, whose value the page does not import. */
export const symbols = ['ACME', 'BOLT', 'CRUX', 'DYNE'] as const;
