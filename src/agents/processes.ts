// The process table, asked about one pid. "Cannot tell" is an answer of its own, and nobody ends anything because of it.

/** Whether a process of that pid exists now. A pid we may not signal exists all the same. */
export function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
