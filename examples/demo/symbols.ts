/** The symbols of the quote board. Separate from the contract, because the page imports only the type of that. */
export const symbols = ['ACME', 'BOLT', 'CRUX', 'DYNE'] as const;
