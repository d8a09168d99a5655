import type { Logger } from "../logger.js";
import type { Config } from "./config-types.js";
import type { Environment, MemberNetwork } from "./environment.js";
import type { Notes } from "./notes.js";
import type { Proposals } from "./proposals.js";
import type { Runtime } from "./runtime.js";
import type { SnapshotInbox } from "./snapshot-inbox.js";
import type { UtilityService } from "./utility-service.js";
import { quorateVersion } from "./version.js";

/** Who takes what the network brings. Functions, because the network is made before them. */
export interface NetworkReceivers {
  readonly notes: Notes;
  runtime(): Runtime;
  proposals(): Proposals;
  utility(): UtilityService;
  inbox(): Pick<SnapshotInbox, "connected">;
}

/** The member's links, with what comes over them led to where it belongs. */
export function memberNetwork(
  config: Config,
  logger: Logger,
  environment: Environment,
  to: NetworkReceivers,
): MemberNetwork {
  const { selfAddr, bindAddr, password, timeouts, entryBytesMax } = config;
  return environment.network({
    selfAddr,
    bindAddr,
    password,
    timeouts,
    entryBytesMax,
    logger,
    softwareVersion: quorateVersion,
    events: {
      peerConnected: (peer) => {
        to.notes.tell("connected", "connected", { peer });
        to.runtime().submit({ kind: "connected", peer });
        to.inbox().connected(peer);
      },
      peerDisconnected: (peer, reason) => {
        to.notes.tell("disconnected", "disconnected", { peer, reason });
        to.runtime().linkLost(peer);
        to.proposals().linkLost(peer);
        to.runtime().submit({ kind: "disconnected", peer });
      },
      peerHello: (peer) => to.runtime().submit({ kind: "peer-is-quorate", peer }),
      observerConnected: (id) => to.runtime().submit({ kind: "observer-connected", id }),
      observerDisconnected: (id) => {
        to.runtime().linkLost(id);
        to.runtime().submit({ kind: "observer-disconnected", id });
      },
      message: (from, message) => {
        if (message.type === "apply_command") {
          to.proposals().receive(from, message.command, message.requestId);
        } else if (message.type === "apply_command_response") to.proposals().replied(from, message);
        else to.runtime().submit({ kind: "message", from, message });
      },
      messageTooLarge: (from) => {
        const { role, leader } = to.runtime().state;
        // Only whoever leads sends entries again and again; who that is may not be known yet.
        if (role === "leader" || (leader !== null && leader !== from)) return false;
        to.runtime().submit({ kind: "message-too-large", from });
        return true;
      },
      utility: (request, reply) => to.utility().answer(request, reply),
      drained: () => {},
    },
  });
}
