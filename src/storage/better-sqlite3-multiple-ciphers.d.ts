// The package's own types are not found under its `exports`; its API is better-sqlite3's, whose types are.

declare module "better-sqlite3-multiple-ciphers" {
  import Sqlite from "better-sqlite3";
  export default Sqlite;
}
