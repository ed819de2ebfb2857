/** The bottom of the desk: how to get the same events without this page. */
export function Footer() {
  const { host } = location;
  return (
    <footer className="bottom">
      <h2>The same events without our client</h2>
      <ul>
        {['/events/notice', '/events/price?symbol=ACME', '/events/report?year=2026'].map((path) => (
          <li key={path}>
            <code>curl -N '{host + path}'</code>
          </li>
        ))}
        <li>
          <a href="/plain.html">A page with nothing but new EventSource(…)</a>
        </li>
      </ul>
    </footer>
  );
}
