import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { post, type Schemas } from "../api/client";
import { Failed } from "../ui/basics";
import { Brand } from "../ui/icons";

export function Login({ session }: { session: Schemas["SessionView"] }) {
  const client = useQueryClient();
  const [error, setError] = useState<unknown>(null);
  const [byToken, setByToken] = useState(session.login === "token");
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name) ?? "");
    setBusy(true);
    setError(null);
    try {
      await post("/api/v1/session", { body: byToken ? { token: text("token") } : { user: text("user"), password: text("password") } });
      await client.invalidateQueries();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <main className="empty" id="main" tabIndex={-1}>
      <div className="brand"><Brand /><span>Plait</span></div>
      <form className="panel panel-body stack" onSubmit={submit} style={{ width: "min(360px, 100%)", textAlign: "left" }}>
        <h1>Sign in</h1>
        {byToken ? (
          <div className="field">
            <label htmlFor="token">Token</label>
            <input className="input" id="token" name="token" type="password" autoComplete="off" required autoFocus />
          </div>
        ) : (
          <>
            <div className="field">
              <label htmlFor="user">User</label>
              <input className="input" id="user" name="user" autoComplete="username" required autoFocus />
            </div>
            <div className="field">
              <label htmlFor="password">Password</label>
              <input className="input" id="password" name="password" type="password" autoComplete="current-password" required />
            </div>
          </>
        )}
        {error !== null && <Failed error={error} />}
        <button type="submit" className="button primary" disabled={busy}>Sign in</button>
        {session.login === "both" && (
          <button type="button" className="button quiet" onClick={() => setByToken(!byToken)}>{byToken ? "Use a password" : "Use a token"}</button>
        )}
      </form>
    </main>
  );
}
