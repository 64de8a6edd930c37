import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createRoot } from "react-dom/client";
import { ApiError, reachability } from "../api/client";
import { pollInterval, watchChanges } from "../api/live";
import { applyTheme } from "../ui/theme";
import { App } from "./app";
import "../styles/base.css";
import "../styles/layout.css";
import "../styles/components.css";
import "../styles/run.css";

applyTheme();

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 500,
      refetchInterval: pollInterval,
      retry: (count, error) => count < 2 && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
      retryDelay: 800,
      networkMode: "always",
    },
    mutations: { networkMode: "always" },
  },
});

reachability.onUnauthorized = () => void client.invalidateQueries({ queryKey: ["session"] });
watchChanges(client);

createRoot(document.getElementById("root") as HTMLElement).render(
  <QueryClientProvider client={client}>
    <App />
  </QueryClientProvider>,
);
