package journaltest

// The cases, in the order in which docs/contract.md lists them.
var cases = []testCase{
	{
		Name: "an inserted record is read by id, key and reference",
		Doc:  "Get and both kinds of Find return an inserted record with every field and revision 1, and NotFound for any other value.",
		Run:  insertedIsRead,
	},
	{
		Name: "a save counts the revision",
		Doc:  "Each save of a record increases its revision by one, in place and in the store.",
		Run:  saveIncrementsRevision,
	},
	{
		Name: "an id, a key and a reference are taken once",
		Doc:  "A record whose id, key or reference another record of its kind has is refused with Conflict, on insert and on change, and its revision stays.",
		Run:  taken,
	},
	{
		Name: "a unique value holds for its kind",
		Doc:  "Records of different kinds may have the same key and the same reference.",
		Run:  uniqueByKind,
	},
	{
		Name: "a unique value that is given up is free",
		Doc:  "Once a record no longer has a key or a reference, another record can have it.",
		Run:  uniqueFreed,
	},
	{
		Name: "an empty unique value belongs to no record",
		Doc:  "Any number of records may lack a key and a reference, and Find returns NotFound for the empty value.",
		Run:  emptyMatchesNone,
	},
	{
		Name: "a stale revision is refused",
		Doc:  "A save with a revision that is no longer current is refused with Conflict and changes nothing.",
		Run:  staleRefused,
	},
	{
		Name: "an incomplete record is refused",
		Doc:  "A record without id, kind or body is refused with Invalid.",
		Run:  incompleteRefused,
	},
	{
		Name: "each record of a save stands for itself",
		Doc:  "If one of several records in a save is refused, the others are saved all the same.",
		Run:  savedIndependently,
	},
	{
		Name: "tenants do not see each other",
		Doc:  "Tenants may use the same ids, and neither Get nor List returns a record of another tenant.",
		Run:  tenantsSeparated,
	},
	{
		Name: "several records are read at once",
		Doc:  "GetAll returns each of a thousand records that are named and stored, whole, and no other: none that is not stored, of another kind or of another tenant.",
		Run:  severalAtOnce,
	},
	{
		Name: "bodies and names come back byte for byte",
		Doc:  "A body of 1 MB of any bytes comes back unchanged, and so do names that look like a query.",
		Run:  bodies,
	},
	{
		Name: "times keep their microseconds",
		Doc:  "Creation and due times come back in UTC to the microsecond, and a record without a due time has none.",
		Run:  microseconds,
	},
	{
		Name: "concurrent changes are all kept",
		Doc:  "Of twenty read-change-save loops on one record at the same time none is lost.",
		Run:  changesAtOnce,
	},
	{
		Name: "concurrent inserts of one key make one record",
		Doc:  "Of twenty inserts with the same key at the same time one succeeds and the others return Conflict.",
		Run:  insertsAtOnce,
	},
	{
		Name: "a list is newest first and filtered",
		Doc:  "A list returns the newest records first, and only those that match status and customer.",
		Run:  listFiltered,
	},
	{
		Name: "a list goes on while records are added",
		Doc:  "Reading on from a cursor returns each record once, in order, also while newer records are inserted.",
		Run:  listContinues,
	},
	{
		Name: "a list is limited by time",
		Doc:  "A list returns the records that were created at From or later and before Before, to the microsecond, also over several pages.",
		Run:  listedByTime,
	},
	{
		Name: "records are found by terms",
		Doc:  "A list by terms returns the records of the tenant and kind that have all of them, newest first, also with a status, a customer and times.",
		Run:  termsFound,
	},
	{
		Name: "a list by terms goes on while records are added",
		Doc:  "Reading on from a cursor returns each record with the terms once, in order, also while newer ones are inserted.",
		Run:  termsContinue,
	},
	{
		Name: "terms stay until they are replaced",
		Doc:  "Terms are not read back. A save without terms and a claim leave them, a list replaces them, an empty one removes them, and a refused save changes nothing; they follow the creation time.",
		Run:  termsStay,
	},
	{
		Name: "terms go with their record",
		Doc:  "The terms of records and children go with them when they are purged or detached.",
		Run:  termsGo,
	},
	{
		Name: "terms of concurrent saves do not mix",
		Doc:  "Of forty inserts and forty changes at the same time each has its own terms.",
		Run:  termsTogether,
	},
	{
		Name: "terms are bounded",
		Doc:  "A record with MaxTerms terms is found by each, and more terms, longer or empty ones are refused with Invalid, also in a child.",
		Run:  termsBounded,
	},
	{
		Name: "a page ends by bytes",
		Doc:  "A page ends once its bodies reach PageBytes together, is never empty, and the list continues after it.",
		Run:  listEndsByBytes,
	},
	{
		Name: "a list leaves out contents",
		Doc:  "List returns records without their content and marks them as partial; Get, Find and Claim return the content.",
		Run:  contentLeftOut,
	},
	{
		Name: "a partial record is not saved",
		Doc:  "A record that was listed without its content is refused with Invalid by Save and Detach.",
		Run:  partialRefused,
	},
	{
		Name: "a malformed cursor is refused",
		Doc:  "A list from a cursor that List has not returned is refused with Invalid.",
		Run:  badCursor,
	},
	{
		Name: "a claim takes what is due, the longest due first",
		Doc:  "Claim returns at most n due records of its queue, the longest due first, with owner, lease and a new revision stored.",
		Run:  claimDue,
	},
	{
		Name: "a claim tells the time of the store",
		Doc:  "The due time of a claimed record less its lease is the time of the claim.",
		Run:  claimHasTheStoresTime,
	},
	{
		Name: "claims never overlap",
		Doc:  "Of six owners that claim at the same time no two get the same record, and every record is claimed.",
		Run:  claimsDoNotOverlap,
	},
	{
		Name: "an expired lease is claimed again",
		Doc:  "A record whose lease has expired can be claimed again, and the claim says that a lease expired.",
		Run:  leaseExpires,
	},
	{
		Name: "a claim passes over excluded tenants",
		Doc:  "Claim skips the records of the tenants that it is told to skip, and does not change them.",
		Run:  claimSkipsTenants,
	},
	{
		Name: "a save that keeps the claim keeps the lease",
		Doc:  "A save that leaves queue, owner and due time as they are does not end the lease.",
		Run:  leaseKept,
	},
	{
		Name: "a save that clears the queue ends the waiting",
		Doc:  "A record saved without a queue is not claimed again; one saved without an owner can be claimed and is not marked as expired.",
		Run:  queueCleared,
	},
	{
		Name: "an owner whose claim is lost cannot save",
		Doc:  "A save by an owner whose lease expired and whose record was claimed again is refused with Conflict.",
		Run:  lostClaimCannotSave,
	},
	{
		Name: "the feed has every event once, in order, without gaps",
		Doc:  "Events of concurrent saves appear once each, in the order of their record, with the numbers 1, 2, 3 and so on.",
		Run:  feedGapless,
	},
	{
		Name: "the feed of a tenant has its events only",
		Doc:  "Feed returns to a tenant its own events, and for AllTenants the events of all.",
		Run:  feedByTenant,
	},
	{
		Name: "a refused save adds no event",
		Doc:  "The events of a record that is refused do not appear in the feed.",
		Run:  feedOnlySaved,
	},
	{
		Name: "an event is read again at its number",
		Doc:  "An event that was read once is found at the same number again, also after its record was purged.",
		Run:  feedReadAgain,
	},
	{
		Name: "children are stored with their record",
		Doc:  "Attach stores a record with its children, with queue, due time, body and content, and they can be read and saved like any record.",
		Run:  attached,
	},
	{
		Name: "a refused attach leaves no child",
		Doc:  "If the record or a child of it is refused with Conflict, nothing of them remains after Sweep.",
		Run:  attachRefused,
	},
	{
		Name: "an invalid attach is refused",
		Doc:  "A record that was saved before and a child with a key, a reference, events or another tenant are refused with Invalid.",
		Run:  attachInvalid,
	},
	{
		Name: "concurrent attaches make one record",
		Doc:  "Of twenty attaches of the same record at the same time one succeeds, and its children are stored once.",
		Run:  attachedAtOnce,
	},
	{
		Name: "a detached record has no children",
		Doc:  "Detach saves the record and removes its children, and no others.",
		Run:  detached,
	},
	{
		Name: "a refused detach leaves the children",
		Doc:  "A detach with a revision that is not current is refused with Conflict and removes no child.",
		Run:  refusedDetach,
	},
	{
		Name: "old records are purged with their children",
		Doc:  "Purge removes the oldest records first, with their children, but none that is young, waits in a queue, or has another tenant or kind.",
		Run:  purged,
	},
	{
		Name: "a call whose context has ended does nothing",
		Doc:  "A save under an ended context returns Unavailable or UnknownOutcome, and after Unavailable nothing is stored.",
		Run:  contextEnded,
	},
	{
		Name: "waiting records are counted",
		Doc:  "Count returns the number of records in a queue and the earliest due time; a claimed record is due when its lease ends.",
		Run:  countsWaiting,
	},
	{
		Name: "flagged records are counted",
		Doc:  "Count returns the number of records of a kind with a flag, over all tenants, and the earliest time of a flag.",
		Run:  countsFlagged,
	},
	{
		Name: "a count is bounded",
		Doc:  "Count stops at its limit, and the first time is exact nevertheless.",
		Run:  countIsBounded,
	},
	{
		Name: "a ping writes",
		Doc:  "Ping succeeds on a store that can be written to, also repeatedly.",
		Run:  pings,
	},
}
