// SPDX-License-Identifier: Apache-2.0
import { RiptidesError } from "../api";
import type { Cancel, Clock } from "./clock";
import type { Host } from "./host";
import type { Kernel } from "./kernel";
import { failureFields, Log } from "./log";

// The module tells of the helper when asked only. One that restarts is back before it is called absent.
const presentMs = 10_000;
const absentMs = 2_000;
const absentTimes = 2;

/** Where the wire stands on this node: without kernel TLS and the TLS helper, nothing that is to be injected leaves. */
export class WireReadiness {
    /** `undefined` until it has been found out, and while nothing is needed. */
    state?: "ready" | RiptidesError;
    private needed = false;
    private absences = 0;
    private round = 0;
    private timer?: Cancel;

    constructor(
        private readonly kernel: Pick<Kernel, "stats">,
        private readonly host: Pick<Host, "hasKernelTls">,
        private readonly clock: Clock,
        private readonly log: Log,
        private readonly onChange: () => void,
    ) {}

    /** Says whether anything is to be injected; as long as nothing is, the module is not asked. */
    need(needed: boolean): void {
        if (needed === this.needed) {
            return;
        }
        this.needed = needed;
        this.timer?.();
        this.state = undefined;
        this.absences = 0;
        this.round++;
        if (needed) {
            void this.look(this.round);
        }
    }

    stop(): void {
        this.round++;
        this.timer?.();
    }

    /** Looks, and again after a while, until another round begins. */
    private async look(round: number): Promise<void> {
        try {
            const fault = await this.fault();
            if (round === this.round) {
                this.take(fault);
            }
        } catch (error) {
            // The conversation with the module has ended; the agent ends with it.
            this.log.warning("the module could not be asked for the TLS helper", failureFields(error));
        }
        if (round === this.round) {
            this.timer = this.clock.after(this.absences > 0 ? absentMs : presentMs, () => void this.look(round));
        }
    }

    private async fault(): Promise<RiptidesError | undefined> {
        if (!(await this.kernel.stats()).helper) {
            return new RiptidesError("TlsHelper", {
                reason: "the TLS helper of the node is not connected to the module, so no request can be carried",
            });
        }
        return (await this.host.hasKernelTls())
            ? undefined
            : new RiptidesError("KernelTls", { reason: "the kernel of the node offers no TLS to sockets" });
    }

    private take(fault: RiptidesError | undefined): void {
        this.absences = fault ? this.absences + 1 : 0;
        if (fault && this.absences < absentTimes) {
            return;
        }
        const before = this.state instanceof RiptidesError ? this.state.code : this.state;
        this.state = fault ?? "ready";
        if ((fault?.code ?? "ready") !== before) {
            if (fault) {
                this.log.warning("nothing can be injected", failureFields(fault));
            }
            this.onChange();
        }
    }
}
