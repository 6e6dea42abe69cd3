import type { Core } from './core.ts';

/** Counts anew everything that is kept in step elsewhere, and throws where the two differ. For tests: it is slow. */
export function checkBooks(core: Core): void {
  let committed = 0;
  let stuck = 0;
  for (const peer of core.peers.values()) {
    let granted = 0;
    for (const grant of peer.grants.values()) granted += grant.left;
    equal(peer.grantedBytes, granted, `granted to ${peer.key}`);
    let requested = 0;
    for (const request of peer.requests.values()) requested += request.bytes;
    equal(peer.requestedBytes, requested, `requested of ${peer.key}`);
    let waiting = 0;
    for (const { bytes } of peer.waiting.values()) waiting += bytes;
    equal(peer.committedBytes, granted + waiting + peer.uploads.unackedBytes, `committed to ${peer.key}`);
    equal(peer.promised, peer.grants.size + peer.waiting.size + peer.uploads.count, `promised ${peer.key}`);
    committed += peer.committedBytes;
    if (peer.isStuck) stuck += peer.committedBytes;
    for (const [asset, { swarm, have, isTold, lacks }] of peer.memberships) {
      if (core.assets.get(asset) !== swarm) throw new Error(`${peer.key} is in a swarm that is gone`);
      if (swarm.members.has(peer.key) !== (have !== undefined))
        throw new Error(`${peer.key} is half a member`);
      let expected = 0;
      for (let chunk = 0; have && isTold && chunk < swarm.size; chunk++) {
        if (swarm.have.has(chunk) && !have.has(chunk)) expected++;
      }
      equal(lacks, expected, `chunks ${peer.key} lacks`);
    }
  }
  equal(core.committedBytes, committed, 'committed');
  equal(core.stuckBytes, stuck, 'committed to peers that are stuck');
  let inbound = 0;
  let unstored = 0;
  for (const swarm of core.assets.values()) {
    swarm.picker.checkInvariants();
    let wanted = 0;
    for (let chunk = 0; chunk < swarm.size; chunk++) {
      const isMissing = swarm.isWanted(chunk) && !swarm.have.has(chunk);
      if (isMissing) wanted++;
      const isPickable = isMissing && !swarm.requests.has(chunk);
      if (swarm.picker.isPickable(chunk) !== isPickable) throw new Error(`chunk ${chunk} is pickable or not`);
    }
    equal(swarm.wantedLeft, wanted, 'wanted chunks');
    for (const { bytes, isWhole } of swarm.requests.values()) {
      inbound += bytes;
      if (isWhole) unstored += bytes;
    }
  }
  equal(core.inboundBytes, inbound, 'inbound');
  equal(core.unstoredBytes, unstored, 'unstored');
}

function equal(actual: number, expected: number, what: string): void {
  if (actual !== expected) throw new Error(`${what}: booked ${actual}, counted ${expected}`);
}
