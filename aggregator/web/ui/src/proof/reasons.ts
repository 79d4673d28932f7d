// Why evidence does not hold: a code each, so that every language can say it (the
// dictionaries of src/i18n have a text for each), and the English text.

export const reasons = {
  // The proof and its parts
  proof_too_large: 'the proof is too large',
  proof_characters: 'the proof is no UTF-8',
  proof_no_checkpoint: 'the proof has no checkpoint',
  proof_other_format: 'this is no c2sp.org/tlog-proof@v1',
  proof_no_event: 'the proof carries no event',
  proof_no_index: 'the proof has no index',
  proof_bad_hash: 'a hash of the proof is damaged',
  proof_many_hashes: 'the proof has too many hashes',
  proof_other_log: 'the proof is of another log',
  proof_other_place: 'the proof is of another place in the log',
  note_too_long: 'the checkpoint is too long',
  note_characters: 'the checkpoint has characters that no note may have',
  note_unsigned: 'the checkpoint is no signed note',
  note_bad_line: 'a signature line of the checkpoint is damaged',
  note_many_lines: 'the checkpoint has too many signatures',
  checkpoint_lines: 'the checkpoint has not three lines',
  checkpoint_damaged: 'the checkpoint is damaged',
  // Who signed
  station_bad_signature: 'the signature of the station does not fit',
  station_unknown_key: 'no known key of this station has signed it',
  key_out_of_range: 'the key was not in use at this place of the log',
  trusted_bad_signature: 'a signature of a trusted key does not fit',
  trusted_other_key: 'no key that the trust file names for this log has signed it',
  cosigner_none: 'no known aggregator key has countersigned it',
  cosigner_late: '{name} countersigned it later than the trust file takes its word: until {until}',
  // What was signed
  root_differs: 'the hashes do not lead to the signed root',
  text_differs: 'what is shown here is not what was signed',
  text_ambiguous: 'programs may read the signed text differently: {fault} at byte {offset}',
  text_no_json: 'the signed text is no JSON',
  // The bundle
  bundle_too_large: 'the bundle is too large for a browser',
  bundle_none: 'this is no bundle',
  bundle_cut: 'the bundle is cut off',
  bundle_hash: 'the bundle was changed or damaged: its hash differs',
  bundle_unknown_entry: 'the bundle has an entry that is none',
  bundle_entry_cut: 'an entry of the bundle is cut off',
  two_histories: 'two histories: this log has two signed checkpoints of one size with different roots',
  bundle_summary: 'the summary of the bundle is missing, or is not its first entry',
  bundle_log: 'a name of a log in the bundle is none',
  bundle_key: 'a key in the bundle is none',
  bundle_line: 'a signature line is not by a key that the bundle names',
  bundle_cosigner: 'the bundle names a cosigner who confirmed nothing, or twice',
  bundle_key_range: 'the sizes of a key are no range',
  basis_other_key: 'what bears out a key is not signed by the key of its place in the log',
  basis_root: 'the hashes of what bears out a key do not lead to the signed root',
  keys_order: 'the places of the keys in the log do not follow one another',
  keys_unproved: 'no leaf of the bundle bears out a key that it names',
  keys_hidden: 'the bundle hides a change of the key',
  // The trust file
  trust_too_large: 'it is larger than 1 MB',
  trust_characters: 'it is no UTF-8',
  trust_many_lines: 'too many lines',
  trust_long_line: 'it is too long',
  trust_quorum_witnesses: 'the quorum is {quorum}, but only {witnesses} witnesses are named',
  trust_empty: 'it names no key',
  trust_name: '“{name}” can’t be a name under a note',
  trust_key: 'the key is no Ed25519 key in base64',
  trust_until: 'behind the key there may be: until 2026-01-02T03:04:05Z',
  trust_cosigner_twice: 'this cosigner’s key is there already, with another name or until another time',
  trust_witness_twice: 'a witness with this key is there already',
  trust_quorum: 'the quorum is no number of witnesses, or a second one',
  trust_instance: '“{name}” is no instance of an aggregator',
  trust_agent: '“{name}” is no agent id',
  trust_pin: 'this is neither a key nor a fingerprint',
  trust_origin: '“{name}” is no origin',
  trust_range: 'the sizes are no range',
  trust_line: 'it should be: ledger INSTANCE KEY, witness NAME KEY [until TIME], quorum NUMBER, cosigner NAME KEY [until TIME], station AGENT KEY-OR-FINGERPRINT, or log ORIGIN KEY AFTER LAST',
} as const

/** Why bytes are outside of the profile of leaves, in the words that Go uses too; "unexpected 'x'" is not in the list. */
export const profileReasons = [
  'longer than 65535 bytes', 'unexpected end', 'not an object', 'bytes after the object', 'white space', 'unknown word', 'nested too deeply', 'key used twice',
  'unexpected end of a text', 'NUL', 'control character in a text', 'unknown escape', 'broken \\u escape', 'lone surrogate', 'invalid UTF-8', 'broken number',
  'number with a leading zero', 'number of more than 40 characters', 'integer beyond 2^53', 'number outside float64',
] as const

export type ProfileReason = (typeof profileReasons)[number]
export type Reason = keyof typeof reasons
export type Params = Record<string, string | number>

/** A reason with what its text names. `line` is the line of a file, from 1; `fault` is one of the profile. */
export interface Fault { code: Reason; params: Params }

/** The English text of a fault. */
export function inEnglish({ code, params }: Fault): string {
  const text = reasons[code].replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole))
  return params.line === undefined ? text : `line ${params.line}: ${text}`
}
