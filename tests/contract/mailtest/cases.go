package mailtest

import "patchbay/tests/contract/internal/suite"

// The cases, in the order in which docs/contract.md lists them.
var cases = []suite.Case[Harness]{
	{
		Name: "a minimal text is delivered",
		Doc:  "A message with a text alone arrives with sender, recipient, subject, a date and one part of plain text.",
		Run:  minimal,
	},
	{
		Name: "html alone has no empty text beside it",
		Doc:  "A message with HTML alone arrives as one HTML part.",
		Run:  htmlAlone,
	},
	{
		Name: "text comes before html",
		Doc:  "A message with both arrives as multipart/alternative with the text first.",
		Run:  alternative,
	},
	{
		Name: "all recipients are named",
		Doc:  "Every recipient stands in the To header, in order.",
		Run:  recipients,
	},
	{
		Name: "cc is named and bcc is not",
		Doc:  "A Cc recipient stands in the Cc header, and a Bcc address nowhere in the message.",
		Run:  copies,
	},
	{
		Name: "display names are quoted and encoded",
		Doc:  "Names with commas, quotes and letters of any script come back unchanged.",
		Run:  names,
	},
	{
		Name: "a domain in any script is in its DNS form",
		Doc:  "The domain of a recipient is written as the DNS has it (xn--).",
		Run:  domain,
	},
	{
		Name: "several reply-to addresses",
		Doc:  "All Reply-To addresses arrive, or a second one is refused with Unsupported if MultiReply is not declared.",
		Run:  replyTo,
	},
	{
		Name: "the caller's own headers",
		Doc:  "Headers arrive with values in any script, or are refused with Unsupported if Headers is not declared.",
		Run:  headers,
	},
	{
		Name: "the headers of a thread",
		Doc:  "In-Reply-To and a References of 900 characters arrive with all their ids, not encoded, on lines of at most 998 characters, or are refused with Unsupported if Headers is not declared.",
		Run:  thread,
	},
	{
		Name: "a line break adds no header",
		Doc:  "A line break in subject or name is refused with Invalid, or does not add a header.",
		Run:  injection,
	},
	{
		Name: "an attachment comes back",
		Doc:  "An attachment arrives byte for byte with name and type, or is refused if Attachments is not declared.",
		Run:  attachment,
	},
	{
		Name: "an attachment without a name is not lost",
		Doc:  "An attachment without a file name is refused with Invalid or arrives.",
		Run:  nameless,
	},
	{
		Name: "an inline attachment has its content id",
		Doc:  "An inline attachment arrives with its Content-ID, or is refused if Inline is not declared.",
		Run:  inline,
	},
	{
		Name: "a long subject in any script",
		Doc:  "A subject of many encoded words comes back unchanged.",
		Run:  subject,
	},
	{
		Name: "tags and metadata",
		Doc:  "A message with tags and metadata is sent if they are declared, and refused with Unsupported if not.",
		Run:  labels,
	},
	{
		Name: "an undeclared feature is refused",
		Doc:  "A message that needs a feature that is not declared is refused with Unsupported, and nothing is delivered.",
		Run:  undeclared,
	},
	{
		Name: "a plain message has no options",
		Doc:  "A minimal message arrives without any X- header, Reply-To, Cc or Bcc.",
		Run:  plain,
	},
	{
		Name: "a message keeps its Message-ID",
		Doc:  "The Message-ID that the message was given arrives, or one of the provider's own if the harness declares that it replaces them.",
		Run:  messageID,
	},
	{
		Name: "a message that was handed over stays as it is",
		Doc:  "A message that was handed over as MIME arrives byte for byte, but for a Message-ID and a Date that the provider replaces, or is refused with Unsupported if MIME is not declared.",
		Run:  handedOver,
	},
	{
		Name: "a message that was handed over gets what it lacks",
		Doc:  "Such a message without Message-ID and Date arrives with both, and without its header Bcc.",
		Run:  handedOverIncomplete,
	},
	{
		Name: "a canceled call sends nothing",
		Doc:  "Under a context that has ended Send returns Canceled without the recipient's address, and nothing is delivered.",
		Run:  canceled,
	},
	{
		Name: "the message is not changed",
		Doc:  "Send does not change the message that it was given.",
		Run:  unchanged,
	},
	{
		Name: "twenty at once are all delivered",
		Doc:  "Twenty messages sent at the same time are delivered once each.",
		Run:  atOnce,
	},
}
