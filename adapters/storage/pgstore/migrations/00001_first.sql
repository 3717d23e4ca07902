-- +goose Up
-- Times are microseconds since 1970. An idem, ref, queue or email that is
-- absent is NULL, so that the unique indexes pass over it. Texts that lists are
-- ordered by compare as bytes, whatever the database's own order is.
CREATE TABLE patchbay_record (
  kind     text   COLLATE "C" NOT NULL,
  tenant   text   COLLATE "C" NOT NULL,
  id       text   COLLATE "C" NOT NULL,
  rev      bigint NOT NULL,
  idem     text   COLLATE "C",
  ref      text   COLLATE "C",
  status   text   COLLATE "C" NOT NULL,
  customer text   COLLATE "C" NOT NULL,
  created  bigint NOT NULL,
  queue    text   COLLATE "C",
  due      bigint NOT NULL,
  owner    text   NOT NULL,
  body     bytea  NOT NULL,
  PRIMARY KEY (kind, tenant, id)
);
CREATE UNIQUE INDEX patchbay_record_idem ON patchbay_record (kind, idem) WHERE idem IS NOT NULL;
CREATE UNIQUE INDEX patchbay_record_ref ON patchbay_record (kind, ref) WHERE ref IS NOT NULL;
CREATE INDEX patchbay_record_queue ON patchbay_record (queue, due) WHERE queue IS NOT NULL;
CREATE INDEX patchbay_record_list ON patchbay_record (kind, tenant, created, id);
CREATE INDEX patchbay_record_status ON patchbay_record (kind, tenant, status, created, id);
CREATE INDEX patchbay_record_customer ON patchbay_record (kind, tenant, customer, created, id) WHERE customer <> '';

-- What a save has to tell waits here, and is moved to the feed: numbers given at
-- the save would have gaps where it is rolled back, and come late where another
-- commits first.
CREATE TABLE patchbay_told (
  n       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant  text   NOT NULL,
  id      text   NOT NULL,
  type    text   NOT NULL,
  subject text   NOT NULL,
  at      bigint NOT NULL,
  data    bytea
);

CREATE TABLE patchbay_feed (
  seq     bigint PRIMARY KEY,
  tenant  text   COLLATE "C" NOT NULL,
  id      text   NOT NULL,
  type    text   NOT NULL,
  subject text   NOT NULL,
  at      bigint NOT NULL,
  data    bytea
);
CREATE INDEX patchbay_feed_tenant ON patchbay_feed (tenant, seq);

-- A deleted user keeps id, idem and fingerprint, and nothing personal.
-- original is the user as created, once it has changed, for repeats of idem.
CREATE TABLE patchbay_person (
  tenant      text    COLLATE "C" NOT NULL,
  id          text    COLLATE "C" NOT NULL,
  email       text    COLLATE "C",
  name        text    NOT NULL,
  metadata    bytea,
  version     bigint  NOT NULL,
  created     bigint  NOT NULL,
  updated     bigint  NOT NULL,
  idem        text    COLLATE "C",
  fingerprint text    NOT NULL,
  original    bytea,
  deleted     boolean NOT NULL,
  PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX patchbay_person_email ON patchbay_person (tenant, email) WHERE email IS NOT NULL;
CREATE UNIQUE INDEX patchbay_person_idem ON patchbay_person (idem) WHERE idem IS NOT NULL;
CREATE INDEX patchbay_person_list ON patchbay_person (tenant, created, id) WHERE NOT deleted;

CREATE TABLE patchbay_ping (one integer PRIMARY KEY CHECK (one = 1), at bigint NOT NULL);

-- +goose Down
DROP TABLE patchbay_ping;
DROP TABLE patchbay_person;
DROP TABLE patchbay_feed;
DROP TABLE patchbay_told;
DROP TABLE patchbay_record;
