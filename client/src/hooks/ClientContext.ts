import { createContext } from "react";
import type { Client } from "../session/client";

export const ClientContext = createContext<Client | null>(null);
