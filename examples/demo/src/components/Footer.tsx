/** The bottom of the desk: how to get the same events without this page. */
export function Footer() {
  const { host } = location;
  return (
    <footer className="bottom">
      <h2>The same events without our client</h2>
      <ul>
        <li>
          <code>curl -N {host}/events/host</code>
        </li>
        <li>
          <code>curl -N '{host}/events/room?name=lobby&amp;from=earliest'</code>
        </li>
        <li>
          <a href="/plain.html">A page with nothing but new EventSource(…)</a>
        </li>
      </ul>
    </footer>
  );
}
