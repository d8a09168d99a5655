import { encodeMembership, encodeVersion } from "../../protocol/log/commands.js";
import type { PyValue } from "../../protocol/pickle/values.js";
import {
  encodeMembers,
  encodeStatus,
  type MemberStatus,
  type UtilityRequest,
  utilityOutcome,
} from "../../protocol/wire/utility.js";
import type { Proposals } from "./proposals.js";

type MemberList = Parameters<typeof encodeMembers>[0];

export interface UtilityHost {
  readonly selfAddr: string;
  readonly proposals: Proposals;
  status(): MemberStatus;
  members(): MemberList;
  /** Calls back with whether the hand-over was begun. */
  transfer(target: string | null, done: (begun: boolean) => void): void;
}

type Reply = (value: PyValue) => void;

/** Answers `syncobj_admin`, Patroni's discovery and our own commands as a vanilla member does. */
export class UtilityService {
  readonly #host: UtilityHost;

  constructor(host: UtilityHost) {
    this.#host = host;
  }

  answer(request: UtilityRequest, reply: Reply): void {
    switch (request.command) {
      case "status":
        reply(encodeStatus(this.#host.status()));
        break;
      case "members":
        reply(encodeMembers(this.#host.members()));
        break;
      case "add":
        this.#submit(request, encodeMembership("add", request.address), reply);
        break;
      case "remove":
        this.#remove(request, request.address, reply);
        break;
      case "set_version":
        this.#setVersion(request, request.version, reply);
        break;
      case "transfer":
        this.#host.transfer(request.address, (begun) => reply(utilityOutcome(request, begun)));
        break;
      case "malformed":
        reply(utilityOutcome(request, false));
        break;
      case "unknown":
        // The session has refused it already: upstream gives no answer either.
        break;
    }
  }

  /** Upstream: SyncObj._removeNodeFromCluster: a member is not asked to remove itself. */
  #remove(request: UtilityRequest, address: string, reply: Reply): void {
    if (address === this.#host.selfAddr) reply(utilityOutcome(request, false));
    else this.#submit(request, encodeMembership("rem", address), reply);
  }

  /** KVStoreTTL's own code version is 0, so no other can be enabled. Upstream: setCodeVersion. */
  #setVersion(request: UtilityRequest, version: number, reply: Reply): void {
    if (version === 0) this.#submit(request, encodeVersion(0), reply);
    else {
      const which = version > 0 ? "current" : "enabled";
      reply(`wrong version, ${which} version is 0, requested version is ${version}`);
    }
  }

  #submit(request: UtilityRequest, command: Uint8Array, reply: Reply): void {
    this.#host.proposals.submit(command, ({ ok }) => {
      reply(utilityOutcome(request, ok));
    });
  }
}
